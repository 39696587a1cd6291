use super::*;
use crate::store::contents::EntryRandomness;
use crate::store::primitives::Key;
use crate::store::slot::{self, Kdf, Opener};

const ROOT: [u8; 32] = [0x42; 32];
const RAW: [u8; 32] = [7; 32];
const SLOT: slot::SlotRandomness = slot::SlotRandomness {
    id: [1; 8],
    salt: [2; 16],
    nonce: [3; NONCE],
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fresh(seed: u8) -> EntryRandomness {
    EntryRandomness {
        id: [seed; 8],
        data_key: Key::new([seed; 32]),
        dek_nonce: [seed; NONCE],
        nonce: [seed; NONCE],
    }
}

/// Makes two entries and one raw slot.
fn vault() -> (Contents, Keys) {
    let mut contents = Contents::new(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let keys = Keys::new(Key::new(ROOT), contents.vault_id());
    let raw = Key::new(RAW);
    let slot = Slot::wrap(
        contents.vault_id(),
        "keyfile",
        Opener::Raw(&raw),
        Kdf::LOW,
        keys.root(),
        SLOT,
    );
    contents.slots.push(slot.unwrap());
    for (name, content, seed) in [("one", "first", 10), ("two", "other", 20)] {
        let rev = contents.put(&keys, name, "oauth", content.as_bytes(), &fresh(seed));
        assert_eq!(rev.unwrap(), 1);
    }
    (contents, keys)
}

fn sealed() -> Vec<u8> {
    let (mut contents, keys) = vault();
    seal(&mut contents, &keys, &[9; NONCE]).unwrap()
}

/// Opens bytes down to the contents, with the raw key.
fn open(bytes: Vec<u8>) -> Result<Contents, Error> {
    let sealed = Sealed::parse(bytes)?;
    let raw = Key::new(RAW);
    let slot = sealed.slots().first().ok_or(Error::WrongKey)?;
    let root = slot.open(sealed.vault_id(), Opener::Raw(&raw))?;
    sealed.open(&Keys::new(root, sealed.vault_id()))
}

// The values were computed elsewhere (Python's cryptography).
#[test]
fn a_root_key_gives_the_keys_others_compute() {
    let (contents, keys) = vault();
    assert_eq!(contents.vault_id(), "AAECAwQFBgcICQoLDA0ODw");
    assert_eq!(
        hex(keys.kek.expose()),
        "2f2a3c73da63cc301a86a3aac55c2903d3aaca176b56407660ba480b2c76e2e4"
    );
    assert_eq!(
        hex(keys.index.expose()),
        "5134008f55478b9236229024438e675748ec9b06b7d8e506d80894bc83cc1cd1"
    );
    let aad = joined(&[
        b"mcpipe/1/dek",
        contents.vault_id().as_bytes(),
        b"https://mcp.example.com/mcp",
        b"entry-1",
        b"oauth",
        &7u64.to_be_bytes(),
    ]);
    let wrapped = keys.kek.wrap(&[0x09; NONCE], &aad, &Key::new([0x24; 32]));
    assert_eq!(
        hex(&wrapped),
        "1ba146f2e73c15f34622a0440b1b6e8adeae6f5efb6bf98fb3a203280b4ac14bc7dc73b64e704f650b4d075b4af002af"
    );
}

#[test]
fn what_is_sealed_opens() {
    let (_, keys) = vault();
    let contents = open(sealed()).unwrap();
    assert_eq!(contents.generation(), 1);
    let list: Vec<_> = contents.list().collect();
    assert_eq!(list, [("one", "oauth", 1), ("two", "oauth", 1)]);
    let two = contents.read(&keys, "two").unwrap().unwrap();
    assert_eq!(two.content.as_slice(), b"other");
    assert!(contents.read(&keys, "three").unwrap().is_none());
}

#[test]
fn every_bit_is_authenticated() {
    let whole = sealed();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            assert!(open(bytes).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn no_other_length_opens() {
    let whole = sealed();
    for length in 0..whole.len() {
        assert!(open(whole[..length].to_vec()).is_err(), "{length} bytes");
    }
    for more in [&b"\0"[..], b"\n", b"MCPVLT", &whole] {
        assert!(open([&whole, more].concat()).is_err());
    }
}

#[test]
fn entries_do_not_answer_to_each_others_names() {
    let (mut contents, keys) = vault();
    let one = contents.entries["one"].clone();
    contents.entries.insert("two".into(), one.clone());
    assert!(matches!(
        contents.read(&keys, "two"),
        Err(Error::Damaged("entry"))
    ));

    let mut relabelled = one.clone();
    relabelled.kind = "api_key".into();
    contents.entries.insert("one".into(), relabelled);
    assert!(contents.read(&keys, "one").is_err());

    let mut newer = one;
    newer.rev += 1;
    contents.entries.insert("one".into(), newer);
    assert!(contents.read(&keys, "one").is_err());
}

#[test]
fn the_blobs_of_two_generations_do_not_mix() {
    let (mut contents, keys) = vault();
    let old = seal(&mut contents, &keys, &[9; NONCE]).unwrap();
    contents
        .put(&keys, "two", "oauth", b"newer", &fresh(30))
        .unwrap();
    let new = seal(&mut contents, &keys, &[8; NONCE]).unwrap();
    assert_eq!(old.len(), new.len());
    assert!(open(new.clone()).is_ok());
    for cut in 0..old.len() {
        let mixed = [&new[..cut], &old[cut..]].concat();
        assert_eq!(
            open(mixed.clone()).is_ok(),
            mixed == old || mixed == new,
            "at {cut}"
        );
    }
}

#[test]
fn a_revision_never_returns() {
    let (mut contents, keys) = vault();
    seal(&mut contents, &keys, &[9; NONCE]).unwrap();
    contents.remove("one");
    let rev = contents
        .put(&keys, "one", "oauth", b"again", &fresh(30))
        .unwrap();
    assert_eq!(rev, 2);
}

#[test]
fn names_are_not_readable_without_a_key() {
    let (mut contents, keys) = vault();
    let name = "https://mcp.example.com/a-name-to-look-for";
    contents
        .put(&keys, name, "oauth", b"a content to look for", &fresh(30))
        .unwrap();
    let file = seal(&mut contents, &keys, &[9; NONCE]).unwrap();
    for canary in ["example.com", "look for", "oauth"] {
        let found = file
            .windows(canary.len())
            .any(|bytes| bytes == canary.as_bytes());
        assert!(!found, "{canary}");
    }
}

#[test]
fn strangers_and_the_future_are_told_apart() {
    assert!(matches!(open(Vec::new()), Err(Error::NotAVault)));
    assert!(matches!(
        open(b"{\"tokens\":{}}".to_vec()),
        Err(Error::NotAVault)
    ));
    let mut future = sealed();
    future[7] = 2;
    assert!(matches!(open(future), Err(Error::NewerFormat(2))));
}

fn with_header(edit: impl Fn(String) -> String) -> Result<Sealed, Error> {
    let whole = sealed();
    let end = Sealed::parse(whole.clone()).unwrap().header_end;
    let header = edit(String::from_utf8(whole[PREFIX..end].to_vec()).unwrap());
    let length = u32::try_from(header.len()).unwrap().to_be_bytes();
    Sealed::parse([&whole[..8], &length, header.as_bytes(), &whole[end..]].concat())
}

#[test]
fn a_file_that_asks_for_too_much_is_refused_before_it_gets_it() {
    let costly = |m: u32, t: u32, p: u32| {
        with_header(|header| {
            let costs = format!("\"type\":\"argon2id\",\"m_kib\":{m},\"t\":{t},\"p\":{p}");
            header.replace("\"type\":\"raw\"", &costs)
        })
    };
    assert!(costly(65536, 3, 4).is_ok());
    for (m, t, p) in [(u32::MAX, 3, 4), (65536, u32::MAX, 4), (65536, 3, u32::MAX)] {
        assert!(matches!(costly(m, t, p), Err(Error::OverCeiling { .. })));
    }
    for (m, t, p) in [(8, 3, 4), (65536, 1, 4), (65536, 3, 0)] {
        assert!(matches!(costly(m, t, p), Err(Error::BelowFloor { .. })));
    }

    for at in [8, Sealed::parse(sealed()).unwrap().index.start - 4] {
        let mut bytes = sealed();
        bytes[at..at + 4].copy_from_slice(&[0xff; 4]);
        assert!(matches!(
            Sealed::parse(bytes),
            Err(Error::OverCeiling { .. })
        ));
    }
    assert!(matches!(
        Sealed::parse(vec![0; MAX_FILE + 1]),
        Err(Error::OverCeiling { .. })
    ));
    let crowd = with_header(|header| {
        let (before, slot) = header.split_once("\"slots\":[").unwrap();
        let slot = slot.strip_suffix("]}").unwrap();
        format!(
            "{before}\"slots\":[{}]}}",
            vec![slot; MAX_SLOTS + 1].join(",")
        )
    });
    assert!(matches!(crowd, Err(Error::OverCeiling { .. })));
}

#[test]
fn words_of_the_future_are_named() {
    let suite = with_header(|header| header.replace(SUITE, "XCHACHA"));
    assert!(matches!(
        suite,
        Err(Error::Unknown {
            what: "cipher suite",
            ..
        })
    ));
    let slot = with_header(|header| header.replace("\"raw\"", "\"tpm\""));
    assert!(matches!(
        slot,
        Err(Error::Unknown {
            what: "key slot type",
            ..
        })
    ));
    let member = with_header(|header| header.replace("\"gen_no\"", "\"new\":1,\"gen_no\""));
    assert!(matches!(member, Err(Error::Damaged("header"))));
}

#[test]
fn the_last_generation_is_not_stepped_over() {
    let (mut contents, keys) = vault();
    contents.generation = u64::MAX;
    assert!(seal(&mut contents, &keys, &[9; NONCE]).is_err());
    assert!(contents.put(&keys, "one", "oauth", b"", &fresh(1)).is_err());
}

#[test]
fn big_contents_round_trip_and_too_big_ones_are_refused() {
    let (mut contents, keys) = vault();
    for (name, length) in [("empty", 0), ("64K", 64 << 10), ("1M", 1 << 20)] {
        contents
            .put(&keys, name, "api_key", &vec![b'x'; length], &fresh(30))
            .unwrap();
    }
    let back = open(seal(&mut contents, &keys, &[9; NONCE]).unwrap()).unwrap();
    for (name, length) in [("empty", 0), ("64K", 64 << 10), ("1M", 1 << 20)] {
        let content = back.read(&keys, name).unwrap().unwrap().content;
        assert!(content.len() == length && content.iter().all(|byte| *byte == b'x'));
    }
    contents.entries.get_mut("1M").unwrap().blob = vec![0; 16 << 20];
    let refused = seal(&mut contents, &keys, &[8; NONCE]);
    assert!(matches!(refused, Err(Error::OverCeiling { .. })));
    assert_eq!(contents.generation(), 1);
}
