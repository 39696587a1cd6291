use super::*;

type Tampering = fn(&mut Vec<String>);

fn lines(file: &mut String, edit: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<_> = file.lines().map(str::to_owned).collect();
    edit(&mut lines);
    *file = lines.iter().map(|line| format!("{line}\n")).collect();
}

/// The text of a line with another content and a hash that fits it.
fn forged(line: &str) -> String {
    let line = line.replace("\"tool\":\"t", "\"tool\":\"x");
    let (before, _) = line.split_once(r#","hash":""#).unwrap();
    format!(r#"{before},"hash":"{}"}}"#, Hash::of(before.as_bytes()))
}

#[test]
fn each_kind_of_tampering_is_found_and_its_place_named() {
    let cases: [(&str, Tampering, (&str, u64, Kind)); 22] = [
        (
            "a line changed",
            |f| f[1] = f[1].replacen("t4", "t5", 1),
            ("a.2", 6, Kind::Changed),
        ),
        (
            "a line changed, with its hash",
            |f| lines(&mut f[1], |l| l[5] = forged(&l[5])),
            ("a.2", 6, Kind::Changed),
        ),
        (
            "a line removed",
            |f| {
                lines(&mut f[1], |l| {
                    l.remove(4);
                });
            },
            ("a.2", 5, Kind::Removed),
        ),
        (
            "lines removed",
            |f| {
                lines(&mut f[1], |l| {
                    l.drain(4..7);
                });
            },
            ("a.2", 5, Kind::Removed),
        ),
        (
            "a file's first line removed",
            |f| {
                lines(&mut f[1], |l| {
                    l.remove(0);
                });
            },
            ("a.2", 1, Kind::Gap),
        ),
        (
            "the first line of all removed",
            |f| {
                lines(&mut f[0], |l| {
                    l.remove(0);
                });
            },
            ("a.1", 1, Kind::Removed),
        ),
        (
            "a rotated file's last line removed",
            |f| {
                lines(&mut f[1], |l| {
                    l.pop();
                });
            },
            ("a", 1, Kind::Gap),
        ),
        (
            "two lines exchanged",
            |f| lines(&mut f[1], |l| l.swap(3, 4)),
            ("a.2", 4, Kind::Reordered),
        ),
        (
            "a line moved to the front",
            |f| {
                lines(&mut f[1], |l| {
                    let line = l.remove(8);
                    l.insert(2, line);
                });
            },
            ("a.2", 3, Kind::Reordered),
        ),
        (
            "a line doubled",
            |f| {
                lines(&mut f[1], |l| {
                    let line = l[4].clone();
                    l.insert(5, line);
                });
            },
            ("a.2", 6, Kind::Duplicated),
        ),
        (
            "a line doubled elsewhere",
            |f| {
                lines(&mut f[1], |l| {
                    let line = l[2].clone();
                    l.push(line);
                });
            },
            ("a.2", 11, Kind::Duplicated),
        ),
        (
            "a line inserted",
            |f| {
                lines(&mut f[1], |l| {
                    let line = forged(&l[5]);
                    l.insert(5, line);
                });
            },
            ("a.2", 6, Kind::Inserted),
        ),
        (
            "other text inserted",
            |f| lines(&mut f[1], |l| l.insert(5, "hello".into())),
            ("a.2", 6, Kind::Inserted),
        ),
        (
            "a blank line inserted",
            |f| lines(&mut f[1], |l| l.insert(5, String::new())),
            ("a.2", 6, Kind::Inserted),
        ),
        (
            "the end cut off",
            |f| {
                lines(&mut f[2], |l| {
                    l.pop();
                    l.pop();
                });
            },
            ("a", 9, Kind::Truncated),
        ),
        (
            "the end cut off within a line",
            |f| {
                let at = f[2].len() - 9;
                f[2].truncate(at);
            },
            ("a", 10, Kind::Truncated),
        ),
        ("all cut off", |f| f[2].clear(), ("a", 0, Kind::Truncated)),
        (
            "a file missing",
            |f| {
                f.remove(1);
            },
            ("a", 1, Kind::Gap),
        ),
        (
            "a file twice",
            |f| {
                let same = f[0].clone();
                f.insert(0, same);
            },
            ("a.2", 1, Kind::Duplicated),
        ),
        (
            "lines of another chain",
            |f| {
                let mut other = Written::new(2);
                other.calls(25);
                let other = other.files[0].lines().last().unwrap().to_owned();
                lines(&mut f[1], |l| l.insert(5, other));
            },
            ("a.2", 6, Kind::Foreign),
        ),
        (
            "a half line without the line that names it",
            |f| {
                let mut all = Written::new(1);
                all.calls(3);
                all.torn("{\"v\":1");
                all.calls(3);
                f[0] = all.files.remove(0);
                lines(&mut f[0], |l| {
                    l.remove(5);
                });
            },
            ("a.1", 5, Kind::Changed),
        ),
        (
            "a line of a later version",
            |f| {
                lines(&mut f[1], |l| {
                    l[5] = l[5].replacen("{\"v\":1", "{\"v\":2", 1);
                });
            },
            ("a.2", 6, Kind::Newer),
        ),
    ];
    for (name, tamper, expected) in cases {
        let written = three();
        let mut files = written.files.clone();
        tamper(&mut files);
        let chains = verify(&files, &FoundHead::Head(written.head()));
        let faults: Vec<_> = chains.iter().filter_map(place).collect();
        assert!(faults.contains(&expected), "{name}: {faults:?}");
    }
}
