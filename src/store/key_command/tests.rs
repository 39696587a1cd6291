use super::*;

const KEY: [u8; 32] = [0xfb; 32];

#[test]
fn a_key_is_read_however_it_is_written() {
    let hex = "fb".repeat(32);
    let padded = STANDARD.encode(KEY);
    for text in [
        encode(&KEY),
        format!("{}\n", encode(&KEY)),
        padded.clone(),
        padded.replace('+', "-").replace('/', "_"),
        hex.to_uppercase(),
        format!(" {hex} \r\nand more"),
    ] {
        let key = read_key(text.as_bytes());
        assert!(key.is_some_and(|key| key.same_as(&KEY)), "{text}");
    }
    for text in ["", "\n", "password", &hex[1..], &"zz".repeat(32)] {
        assert!(read_key(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn every_preset_names_vault_and_slot_and_no_key() {
    for with in KeyHolder::ALL {
        let sealed = Path::new("/state/mcpipe-VAULT-SLOT.cred");
        let command = KeyCommand::new(with, "VAULT", "SLOT", sealed, false, None);
        assert_eq!(KeyHolder::of(with.label()), Some(with));
        let command = match command {
            Err(Error::Unconfigured) if with == KeyHolder::Command => continue,
            command => command.unwrap(),
        };
        assert!(command.keeps());
        assert!(command.fetch.shown().contains("VAULT-SLOT"), "{with:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_is_kept_by_whoever_gives_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kept");
    let file = file.to_str().unwrap();
    let words = |line: String| Argv::split(&line).unwrap();
    let with = |fetch: String, store: Option<String>| {
        let configured = Configured {
            fetch: words(fetch),
            store: store.map(words),
        };
        let sealed = Path::new("");
        KeyCommand::new(
            KeyHolder::Command,
            "v",
            "s",
            sealed,
            false,
            Some(&configured),
        )
        .unwrap()
    };
    let tee = Some(format!("tee '{file}'"));
    let honest = with(format!("cat '{file}'"), tee.clone());
    assert!(matches!(honest.fetch(), Err(Error::Program { .. })));
    honest.store(&Key::new(KEY)).unwrap();
    assert!(honest.fetch().unwrap().same_as(&KEY));

    let forgetful = with(format!("echo {}", "aa".repeat(32)), tee.clone());
    let stored = forgetful.store(&Key::new(KEY));
    assert!(matches!(stored, Err(Error::Forgetful(_))));
    let babbling = with("echo hello".into(), tee);
    assert!(matches!(babbling.fetch(), Err(Error::NotAKey(_))));
    assert!(!with("true".into(), None).keeps());
}

/// Another version of mcpipe finds the key where this one has put it.
#[test]
fn presets_are_run_with_these_words() {
    let sealed = Path::new("/state/slot.cred");
    let lines = |with, is_root| {
        let command = KeyCommand::new(with, "V", "S", sealed, is_root, None).unwrap();
        let (store, _) = command.store.unwrap();
        [command.fetch, store].map(|words| words.iter().collect::<Vec<_>>().join(" "))
    };
    for (with, is_root, wanted) in [
        (
            KeyHolder::Keychain,
            false,
            [
                "security find-generic-password -a mcpipe -s mcpipe-V-S -w",
                "security -i",
            ],
        ),
        (
            KeyHolder::SecretService,
            false,
            [
                "secret-tool lookup mcpipe mcpipe-V-S",
                "secret-tool store --label=mcpipe vault key mcpipe mcpipe-V-S",
            ],
        ),
        (
            KeyHolder::OnePassword,
            false,
            [
                "op item get mcpipe-V-S --fields label=password --reveal",
                "op item create -",
            ],
        ),
        (
            KeyHolder::Pass,
            false,
            ["pass show mcpipe-V-S", "pass insert --multiline mcpipe-V-S"],
        ),
        (
            KeyHolder::SystemdCreds,
            false,
            [
                "systemd-creds decrypt --name=mcpipe-vault-key --user /state/slot.cred -",
                "systemd-creds encrypt --name=mcpipe-vault-key --user - /state/slot.cred",
            ],
        ),
        (
            KeyHolder::SystemdCreds,
            true,
            [
                "systemd-creds decrypt --name=mcpipe-vault-key /state/slot.cred -",
                "systemd-creds encrypt --name=mcpipe-vault-key - /state/slot.cred",
            ],
        ),
    ] {
        assert_eq!(lines(with, is_root), wanted, "{with:?}");
    }
}
