//! The command line of mcp-remote among the words of a program: `npx -y mcp-remote@latest URL …` and its many variants.
//!
//! Launchers differ (npx, bunx, pnpm dlx, yarn dlx, cmd /c, wsl, node with a path, a shell with a line), but the
//! program's name stands in all of them, and all words after it are its own.

use crate::text::split_words;

/// Returns the words after mcp-remote's name; `None` if the words do not start it.
pub fn arguments(words: &[String]) -> Option<Vec<String>> {
    let mut before: Option<&str> = None;
    for (at, word) in words.iter().enumerate() {
        // `npx -p mcp-remote mcp-remote-client URL` names the package first, then the program.
        let is_package = matches!(before, Some("-p" | "--package"));
        if !is_package && names_it(word) {
            return words.get(at + 1..).map(<[String]>::to_vec);
        }
        let is_line = word.contains(char::is_whitespace) && word.contains("mcp-remote");
        if is_line && let Some(found) = arguments(&split_words(word)) {
            return Some(found);
        }
        before = Some(word);
    }
    None
}

/// Says whether the word is a program or package of this name, with or without a path, an extension or a version.
fn names_it(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['/', '\\']).collect();
    let is_script = |file: &str| matches!(file, "proxy.js" | "client.js");
    if let [.., package, "dist", file] = parts.as_slice() {
        return *package == "mcp-remote" && is_script(file);
    }
    let last = parts.last().copied().unwrap_or_default();
    let name = last.split('@').next().unwrap_or_default();
    let bare = [".cmd", ".exe", ".ps1"]
        .iter()
        .find_map(|extension| name.strip_suffix(extension))
        .unwrap_or(name);
    matches!(bare, "mcp-remote" | "mcp-remote-client") && !word.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_behind_every_launcher() {
        let url = "https://a.example/mcp";
        for line in [
            "npx mcp-remote URL --x",
            "npx -y mcp-remote@latest URL --x",
            "npx -y mcp-remote@0.1.29 URL --x",
            "npx -p mcp-remote@latest mcp-remote-client URL --x",
            "npx --package=mcp-remote mcp-remote URL --x",
            "bunx mcp-remote URL --x",
            "pnpm dlx mcp-remote URL --x",
            "yarn dlx mcp-remote URL --x",
            "cmd /c npx mcp-remote URL --x",
            r"C:\Program_Files\nodejs\npx.cmd -y mcp-remote URL --x",
            "wsl.exe npx mcp-remote URL --x",
            "mcp-remote URL --x",
            r"C:\npm\mcp-remote.cmd URL --x",
            "/usr/local/bin/mcp-remote URL --x",
            "node /opt/x/node_modules/mcp-remote/dist/proxy.js URL --x",
            r"node C:\x\node_modules\mcp-remote\dist\client.js URL --x",
            "node /home/u/.npm/_npx/1/node_modules/.bin/mcp-remote URL --x",
        ] {
            let words: Vec<String> = line.split(' ').map(|w| w.replace("URL", url)).collect();
            assert_eq!(
                arguments(&words).as_deref(),
                Some(&[url.into(), "--x".into()][..]),
                "{line}"
            );
        }
        let shell = [
            "sh".into(),
            "-c".into(),
            format!("exec npx mcp-remote {url} --header 'A: b c'"),
        ];
        let wanted = [url.into(), "--header".into(), "A: b c".into()];
        assert_eq!(arguments(&shell).as_deref(), Some(&wanted[..]));
    }

    #[test]
    fn others_are_left_alone() {
        for line in [
            "npx -y @modelcontextprotocol/server-everything",
            "mcpipe https://a.example/mcp-remote",
            "uvx mcp-remote-go https://a.example",
            "node /opt/my-mcp-remote/dist/proxy.js https://a.example",
            "npx -p mcp-remote",
            "",
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(arguments(&words), None, "{line}");
        }
    }
}
