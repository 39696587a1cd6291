//! The head: the place at which a chain ended when its last batch was on the disk.
//!
//! It stands in a file of its own beside the audit file, one line of a fixed length that is written over. Lines that are
//! missing at the end of the audit file are found by it. More lines than it knows are no fault: their writer was ended
//! before it wrote the head.

use serde::Deserialize;

use crate::audit::chain::{ChainId, Hash, Link};

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: ChainId,
    /// The place behind the last line.
    pub link: Link,
    /// The length of the audit file then, in bytes. 0 where the next line begins a new file.
    pub length: u64,
}

/// The length of the file, in bytes: below that of a sector, which a disk writes whole or not at all.
pub const LENGTH: usize = 256;

impl Head {
    /// Returns the content of the file.
    pub fn text(&self) -> String {
        let Self {
            chain,
            link,
            length,
        } = self;
        let text = format!(
            r#"{{"v":1,"chain":"{chain}","seq":{},"hash":"{}","length":{length}}}"#,
            link.seq, link.hash
        );
        format!("{text:<width$}\n", width = LENGTH - 1)
    }

    /// Reads the content of the file. `None` for any other content, one of a later version included.
    pub fn parse(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Written<'a> {
            v: u64,
            chain: &'a str,
            seq: u64,
            hash: &'a str,
            length: u64,
        }
        let written: Written<'_> = serde_json::from_str(text).ok()?;
        let head = Self {
            chain: ChainId::parse(written.chain.as_bytes())?,
            link: Link {
                seq: written.seq,
                hash: Hash::parse(written.hash.as_bytes())?,
            },
            length: written.length,
        };
        (written.v == 1).then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_as_it_was_written_and_has_one_length() {
        for seq in [0, 1, u64::MAX] {
            let head = Head {
                chain: ChainId::new([9; 8]),
                link: Link {
                    seq,
                    hash: Hash::of(b"x"),
                },
                length: seq,
            };
            assert_eq!(Head::parse(&head.text()), Some(head));
            assert_eq!(head.text().len(), LENGTH);
        }
        assert_eq!(Head::parse(""), None);
        assert_eq!(Head::parse(&" ".repeat(LENGTH)), None);
    }
}
