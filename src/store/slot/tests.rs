use super::*;

const FRESH: SlotRandomness = SlotRandomness {
    id: [1; 8],
    salt: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    nonce: [3; NONCE],
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn passphrase_slot() -> Slot {
    Slot::wrap(
        "vault",
        "passphrase",
        Opener::Passphrase(b"correct horse battery staple"),
        Kdf::LOW,
        &Key::new([0x42; 32]),
        FRESH,
    )
    .unwrap()
}

// The values were computed elsewhere (Python's argon2-cffi and cryptography).
#[test]
fn a_passphrase_gives_the_keys_others_compute() {
    let stretched = Kdf::LOW
        .stretch(b"correct horse battery staple", &FRESH.salt)
        .unwrap();
    assert_eq!(
        hex(stretched.expose()),
        "818259b6310026a8e0dbac5d2e6927abcfdb07b32258fac4f61b18b80f929085"
    );
    let (wrapping, commitment) = passphrase_slot()
        .keys(Opener::Passphrase(b"correct horse battery staple"))
        .unwrap();
    assert_eq!(
        hex(wrapping.expose()),
        "9eb8910f0e28c532238e81fec6fad12f7a92b6cd56872989b3991df4cf98a870"
    );
    assert_eq!(
        hex(commitment.expose()),
        "7ca490bac6ffa3b312a26fc76fc2344bbbbf42b8619b28509770f627aea8b445"
    );
}

#[test]
fn a_wrong_passphrase_is_not_called_damage() {
    let slot = passphrase_slot();
    let open = |words: &[u8]| slot.open("vault", Opener::Passphrase(words));
    assert!(
        open(b"correct horse battery staple")
            .unwrap()
            .same_as(&[0x42; 32])
    );
    assert!(matches!(open(b"correct horse"), Err(Error::WrongKey)));
}

#[test]
fn a_slot_opens_only_as_what_it_was_written() {
    let key = Key::new([7; 32]);
    let slot = Slot::wrap("vault", "keyfile", Opener::Raw(&key), Kdf::LOW, &key, FRESH).unwrap();
    assert!(slot.open("vault", Opener::Raw(&key)).is_ok());

    let elsewhere = slot.open("another vault", Opener::Raw(&key));
    assert!(matches!(elsewhere, Err(Error::Damaged(_))));

    let mut renamed = slot.clone();
    renamed.label = "passphrase".into();
    assert!(matches!(
        renamed.open("vault", Opener::Raw(&key)),
        Err(Error::Damaged(_))
    ));

    let mut salted = slot;
    salted.salt = [9; 16];
    assert!(matches!(
        salted.open("vault", Opener::Raw(&key)),
        Err(Error::WrongKey)
    ));
}

#[test]
fn argon2_has_a_floor_and_a_ceiling() {
    let (least, most) = (Kdf::LOW, Kdf::CEILING);
    assert!(Kdf::new(least.m_kib, least.t, least.p).is_ok());
    assert!(Kdf::new(most.m_kib, most.t, most.p).is_ok());
    for (m_kib, t, p) in [
        (least.m_kib - 1, 2, 1),
        (least.m_kib, 1, 1),
        (least.m_kib, 2, 0),
    ] {
        assert!(matches!(
            Kdf::new(m_kib, t, p),
            Err(Error::BelowFloor { .. })
        ));
    }
    for (m_kib, t, p) in [(most.m_kib + 1, 3, 4), (65536, 17, 4), (65536, 3, 17)] {
        assert!(matches!(
            Kdf::new(m_kib, t, p),
            Err(Error::OverCeiling { .. })
        ));
    }
}

#[test]
fn a_slot_survives_the_wire() {
    let slot = passphrase_slot();
    let text = serde_json::to_string(&slot.to_record()).unwrap();
    let back = Slot::from_record(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(back.kind(), SlotKind::Argon2id(Kdf::LOW));
    assert!(
        back.open("vault", Opener::Passphrase(b"correct horse battery staple"))
            .is_ok()
    );
}
