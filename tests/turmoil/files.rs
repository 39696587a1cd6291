//! Files of skills and their digests (SEP-2640): no file is told from memory that is not what its digest has been told to
//! be since it was read.

use std::collections::BTreeMap;

use mcpipe::era::Post;
use mcpipe::frame::Frame;

/// The digests of the two files of one byte that there are.
const DIGESTS: [&str; 2] = [
    "sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
];

/// Digests and files as the host was told them, in order.
#[derive(Default)]
pub(super) struct Files {
    count: u64,
    /// The URIs that were asked for, by the id of the request.
    asked: BTreeMap<String, String>,
    /// By URI.
    digests: BTreeMap<String, (u64, usize)>,
    /// The last time that the server has sent it, by URI and content.
    files: BTreeMap<(String, usize), u64>,
}

impl Files {
    pub(super) fn asks(&mut self, id: &str, uri: String) {
        self.asked.insert(id.to_owned(), uri);
    }

    /// Takes an answer to the host, and returns what is wrong with it.
    pub(super) fn told(
        &mut self,
        id: &str,
        method: &str,
        frame: &Frame,
        is_kept: bool,
    ) -> Option<String> {
        let uri = self.asked.remove(id)?;
        let (text, is_file) = match method {
            "skills/get" => (frame.member_in("result", "skill")?, false),
            "resources/read" => (frame.member_in("result", "contents")?, true),
            _ => return None,
        };
        let is_it = |version: &usize| match is_file {
            true => text.contains(&format!(r#""text":"{version}""#)),
            false => text.contains(DIGESTS[*version]),
        };
        let version = (0..2).find(is_it)?;
        self.count += 1;
        if !is_file {
            self.digests.insert(uri, (self.count, version));
            return None;
        }
        let file = (uri, version);
        if !is_kept {
            self.files.insert(file, self.count);
            return None;
        }
        let (told, digest) = *self.digests.get(&file.0)?;
        let is_old = told > *self.files.get(&file)? && digest != version;
        is_old.then(|| format!("{} is told as it was before its digest changed", file.0))
    }
}

/// A server's answer about a file, which is now the one and now the other.
pub(super) fn answer(post: &Post) -> String {
    let version = usize::from(post.exchange.0.is_multiple_of(2));
    let uri = post.frame.param("uri").unwrap_or(r#""none""#);
    match post.frame.method() {
        Some("skills/get") => format!(
            r#"{{"resultType":"complete","skill":{{"uri":{uri},"frontmatter":{{}},"resources":[{{"uri":{uri},"digest":"{}","size":1}}]}},"ttlMs":60000,"cacheScope":"private"}}"#,
            DIGESTS[version]
        ),
        _ => format!(
            r#"{{"resultType":"complete","contents":[{{"uri":{uri},"text":"{version}"}}],"ttlMs":60000,"cacheScope":"public"}}"#
        ),
    }
}
