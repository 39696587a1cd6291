//! The documents for contributors name files; every one of them is there.

use std::path::Path;

const DOCUMENTS: [&str; 2] = [".github/CONTRIBUTING.md", ".github/SECURITY.md"];

/// Folders and files of the repository with which a path begins.
const ROOTS: [&str; 6] = ["src", "tests", "fixtures", ".github", ".ci", "README.md"];

#[test]
fn every_path_in_the_documents_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in DOCUMENTS {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let quoted = text.split('`').skip(1).step_by(2);
        let paths: Vec<_> = quoted
            .filter(|word| ROOTS.contains(&word.split('/').next().unwrap_or_default()))
            .collect();
        assert!(paths.len() > 10, "{document} names only {paths:?}");
        for path in paths {
            assert!(root.join(path).exists(), "{document} names {path}");
        }
    }
}
