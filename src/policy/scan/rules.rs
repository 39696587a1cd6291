//! The rules of the scan: codes that stay, each with a reason and an advice.

use std::fmt;

/// A rule. Its code is in reports and in what users write to leave one out: it never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// Invisible characters.
    Invisible,
    /// Bidirectional controls.
    Direction,
    /// Control characters and terminal sequences.
    Control,
    /// Tag characters, variation selectors and lone surrogates.
    HiddenText,
    /// Characters for private use.
    PrivateUse,
    /// Tags and comments that models take for the system's words.
    Tag,
    /// Orders to drop other instructions.
    Override,
    /// Orders to keep the user in the dark.
    Conceal,
    /// Orders to read something before a tool is used.
    OrderBefore,
    /// Orders to send something away.
    Exfiltrate,
    /// Orders that change what other tools do.
    Redirect,
    /// Orders to prefer this tool to all others.
    Priority,
    /// Files with credentials.
    CredentialFile,
    /// Encoded text.
    Encoded,
    /// `data:` URLs.
    DataUrl,
    /// A secret.
    Secret,
    /// Another server's tool.
    OtherTool,
    /// A tool that passes for another server's.
    SameTool,
    /// Annotations that contradict.
    Contradiction,
    /// A text of unusual length.
    Long,
    /// White space that pushes text out of sight.
    Padding,
    /// Names that look alike.
    LooksAlike,
    /// Words of more than one script.
    MixedScripts,
    /// A definition that cannot be read.
    Unreadable,
}

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look; also in the texts of good servers.
    Note,
    /// Seldom in the texts of good servers.
    Warning,
    /// Not in the texts of good servers, as far as those were looked at.
    Error,
}

impl Severity {
    /// Its name, as SARIF has it for a level.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The words about a rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule.
    pub code: Code,
    /// Its number: `MCP001`.
    pub id: &'static str,
    /// Its name in one word of SARIF's style.
    pub name: &'static str,
    /// The weight of a finding, unless something lessens it.
    pub severity: Severity,
    /// The reason, one sentence.
    pub why: &'static str,
    /// The thing to do.
    pub advice: &'static str,
}

const READ: &str =
    "Read the text as it is; if it is not what the tool needs, do not approve the tool.";
const ASK: &str =
    "Ask the server's author for it to be taken out; --sanitize shows such characters.";

/// All rules, in the order of their numbers.
pub const RULES: &[Rule] = &[
    rule(
        Code::Invisible,
        "MCP001",
        "InvisibleCharacters",
        Severity::Error,
        "Invisible characters are read by models and not seen by people.",
        ASK,
    ),
    rule(
        Code::Direction,
        "MCP002",
        "BidirectionalControls",
        Severity::Error,
        "Bidirectional controls show text in another order than it is read.",
        ASK,
    ),
    rule(
        Code::Control,
        "MCP003",
        "ControlCharacters",
        Severity::Warning,
        "Control characters move a terminal and can hide what it shows.",
        ASK,
    ),
    rule(
        Code::HiddenText,
        "MCP004",
        "HiddenText",
        Severity::Error,
        "Tag characters and variation selectors can spell a text that no person sees.",
        ASK,
    ),
    rule(
        Code::PrivateUse,
        "MCP005",
        "PrivateUseCharacters",
        Severity::Warning,
        "Characters for private use have no meaning of their own, and can be a code.",
        ASK,
    ),
    rule(
        Code::MixedScripts,
        "MCP006",
        "MixedScripts",
        Severity::Warning,
        "A word with letters of two scripts looks like another word.",
        READ,
    ),
    rule(
        Code::Tag,
        "MCP010",
        "InstructionTag",
        Severity::Warning,
        "Such tags and comments make a model take a description for its user's or its system's words.",
        READ,
    ),
    rule(
        Code::Override,
        "MCP011",
        "OverridesInstructions",
        Severity::Error,
        "A description has no business with a model's other instructions.",
        READ,
    ),
    rule(
        Code::Conceal,
        "MCP012",
        "ConcealsFromUser",
        Severity::Error,
        "A tool has no reason to keep its user in the dark.",
        READ,
    ),
    rule(
        Code::OrderBefore,
        "MCP013",
        "OrdersReading",
        Severity::Error,
        "A tool that has files or secrets read before it is used gets them in its arguments.",
        READ,
    ),
    rule(
        Code::Exfiltrate,
        "MCP014",
        "SendsAway",
        Severity::Error,
        "The text has secrets or the conversation sent away.",
        READ,
    ),
    rule(
        Code::Redirect,
        "MCP015",
        "ChangesOtherTools",
        Severity::Error,
        "A description can change what a model does with the tools of other servers.",
        READ,
    ),
    rule(
        Code::Priority,
        "MCP016",
        "ClaimsPriority",
        Severity::Note,
        "A tool that asks to be used before all others takes calls from them.",
        READ,
    ),
    rule(
        Code::CredentialFile,
        "MCP020",
        "CredentialFile",
        Severity::Warning,
        "The text names a file that holds credentials.",
        READ,
    ),
    rule(
        Code::Encoded,
        "MCP021",
        "EncodedText",
        Severity::Warning,
        "Encoded text hides from people what a model can read.",
        "Read the decoded text; if the tool does not need it, do not approve the tool.",
    ),
    rule(
        Code::DataUrl,
        "MCP022",
        "DataUrl",
        Severity::Warning,
        "A data: URL can hold a document or a script.",
        READ,
    ),
    rule(
        Code::Secret,
        "MCP023",
        "Secret",
        Severity::Error,
        "Every client of the server is shown this secret.",
        "Tell the server's author, who should withdraw it.",
    ),
    rule(
        Code::OtherTool,
        "MCP030",
        "OtherServersTool",
        Severity::Warning,
        "The text names a tool of another server, and can change what a model does with it.",
        READ,
    ),
    rule(
        Code::SameTool,
        "MCP031",
        "PassesForAnothersTool",
        Severity::Warning,
        "A tool with the name and the words of another server's is called in its place.",
        "Check which of the servers you mean, and deny the other's tool (--deny-tool).",
    ),
    rule(
        Code::Contradiction,
        "MCP040",
        "ContradictoryAnnotations",
        Severity::Warning,
        "Hosts let tools that only read run without asking.",
        "Deny the tool (--deny-tool), or ask the server's author.",
    ),
    rule(
        Code::Long,
        "MCP041",
        "LongDescription",
        Severity::Note,
        "A long description is seldom read to its end by people.",
        "Read it to its end.",
    ),
    rule(
        Code::Padding,
        "MCP042",
        "Padding",
        Severity::Warning,
        "White space pushes what follows out of a window's sight.",
        READ,
    ),
    rule(
        Code::LooksAlike,
        "MCP050",
        "NamesLookAlike",
        Severity::Warning,
        "Two tools with names that look alike are taken for each other.",
        "Deny the one you do not mean (--deny-tool).",
    ),
    rule(
        Code::Unreadable,
        "MCP060",
        "Unreadable",
        Severity::Note,
        "A definition that cannot be read cannot be judged.",
        "Look at what the server sends: mcpipe --record FILE.",
    ),
];

const fn rule(
    code: Code,
    id: &'static str,
    name: &'static str,
    severity: Severity,
    why: &'static str,
    advice: &'static str,
) -> Rule {
    Rule {
        code,
        id,
        name,
        severity,
        why,
        advice,
    }
}

impl Code {
    /// The words about the rule.
    pub fn rule(self) -> &'static Rule {
        const UNKNOWN: &Rule = &rule(
            Code::Unreadable,
            "MCP000",
            "Unknown",
            Severity::Note,
            "",
            "",
        );
        RULES
            .iter()
            .find(|rule| rule.code == self)
            .unwrap_or(UNKNOWN)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.rule().id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_number_of_its_own_and_its_words() {
        let mut numbers: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        assert!(numbers.is_sorted());
        numbers.dedup();
        assert_eq!(numbers.len(), RULES.len());
        for rule in RULES {
            assert_eq!(rule.code.rule().id, rule.id);
            assert!(
                rule.why.ends_with('.') && rule.advice.ends_with('.'),
                "{}",
                rule.id
            );
        }
    }
}
