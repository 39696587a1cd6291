//! A terminal's screen as SVG: no script, no font and nothing from elsewhere; light and dark as the reader has it.

/// The widest line, in characters; longer ones go on in the next.
const COLUMNS: usize = 96;
const WIDTH: usize = 800;
const LINE: usize = 20;

const STYLE: &str = "\
text{font:13px/1 ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328;white-space:pre}\
.back{fill:#f6f8fa;stroke:#d1d9e0}.dot{fill:#d1d9e0}.typed{font-weight:700}.prompt,.dim{fill:#59636e}.bold{font-weight:700}\
.red{fill:#b42318}.green{fill:#116329}.yellow{fill:#7d4e00}.blue{fill:#0550ae}.magenta{fill:#6639ba}.cyan{fill:#0b5f6b}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117;stroke:#3d444d}.dot{fill:#3d444d}.prompt,.dim{fill:#9198a1}\
.red{fill:#ff7b72}.green{fill:#3fb950}.yellow{fill:#d29922}.blue{fill:#79c0ff}.magenta{fill:#d2a8ff}.cyan{fill:#56d4dd}}";

/// A piece of a line, with its classes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span(String, String);

/// Returns the picture of commands with what each printed.
pub(super) fn picture(shown: &[(&str, String)]) -> String {
    let mut lines = Vec::new();
    for (command, screen) in shown {
        let typed = Span((*command).to_owned(), "typed".to_owned());
        lines.push(vec![Span("$ ".to_owned(), "prompt".to_owned()), typed]);
        lines.extend(spans(screen.trim_end()));
        lines.push(Vec::new());
    }
    lines.pop();
    let height = 44 + lines.len() * LINE + 16;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>A terminal with commands of mcpipe</title>\n<style>{STYLE}</style>\n\
         <rect class=\"back\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n",
        WIDTH - 1,
        height - 1,
    );
    for x in [20, 38, 56] {
        svg.push_str(&format!(
            "<circle class=\"dot\" cx=\"{x}\" cy=\"20\" r=\"6\"/>\n"
        ));
    }
    for (nth, line) in lines.iter().enumerate() {
        let pieces = line.iter().map(|Span(text, class)| {
            let text = escaped(text);
            match class.as_str() {
                "" => text,
                class => format!("<tspan class=\"{class}\">{text}</tspan>"),
            }
        });
        let pieces: String = pieces.collect();
        let y = 58 + nth * LINE;
        svg.push_str(&format!("<text x=\"20\" y=\"{y}\">{pieces}</text>\n"));
    }
    svg.push_str("</svg>\n");
    svg
}

/// Returns the lines of text in a picture, without their classes.
pub(super) fn texts(svg: &str) -> Vec<String> {
    let lines = svg.lines().filter(|line| line.starts_with("<text"));
    lines
        .map(|line| {
            let mut text = String::new();
            let mut is_tag = false;
            for c in line.chars() {
                match c {
                    '<' => is_tag = true,
                    '>' => is_tag = false,
                    c if !is_tag => text.push(c),
                    _ => {}
                }
            }
            text
        })
        .collect()
}

/// Returns a text with what is another in each run replaced: the time (RFC 9110 section 5.6.7), and the start page's port and
/// path.
pub(super) fn without_chance(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for nth in 0..words.len().saturating_sub(5) {
        let is_date = words[nth].len() == 4 && words[nth].ends_with(',');
        if is_date && words[nth + 5].starts_with("GMT") {
            for (word, then) in words[nth..]
                .iter_mut()
                .zip(["Mon,", "01", "Jan", "2029", "12:00:00"])
            {
                then.clone_into(word);
            }
        }
    }
    let text = words.join(" ");
    match text.split_once("http://127.0.0.1:") {
        Some((before, after)) => match after.split_once("/start") {
            Some((_, rest)) => format!("{before}http://127.0.0.1:43117/cb/…/start{rest}"),
            None => text,
        },
        None => text,
    }
}

/// Takes a screen apart into lines of coloured pieces (ECMA-48 SGR); other sequences are left out.
fn spans(screen: &str) -> Vec<Vec<Span>> {
    let (mut lines, mut line, mut column) = (Vec::new(), Vec::<Span>::new(), 0);
    let mut classes: Vec<&'static str> = Vec::new();
    let mut rest = screen.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => sequence(&mut rest, &mut classes),
            '\n' => {
                lines.push(std::mem::take(&mut line));
                column = 0;
            }
            c if c.is_control() => {}
            c => {
                let width = |c: char| c != ' ' && c != '\n' && c != '\u{1b}';
                let word = rest.clone().take_while(|c| width(*c)).count();
                let is_begun =
                    column > 0 && (c == ' ' && word < COLUMNS && column + word >= COLUMNS);
                if column == COLUMNS || is_begun {
                    lines.push(std::mem::take(&mut line));
                    column = 0;
                    if c == ' ' {
                        continue;
                    }
                }
                column += 1;
                let class = classes.join(" ");
                match line.last_mut() {
                    Some(Span(text, last)) if *last == class => text.push(c),
                    _ => line.push(Span(c.to_string(), class)),
                }
            }
        }
    }
    lines.push(line);
    lines
}

fn sequence(rest: &mut std::str::Chars<'_>, classes: &mut Vec<&'static str>) {
    match rest.next() {
        Some('[') => {
            let mut parameters = String::new();
            for c in rest.by_ref() {
                if ('@'..='~').contains(&c) {
                    if c == 'm' {
                        parameters.split(';').for_each(|it| set(it, classes));
                    }
                    return;
                }
                parameters.push(c);
            }
        }
        // A hyperlink: its address is not shown.
        Some(']') => {
            while let Some(c) = rest.next() {
                if c == '\u{7}' || c == '\u{1b}' && rest.next().is_some() {
                    return;
                }
            }
        }
        _ => {}
    }
}

fn set(parameter: &str, classes: &mut Vec<&'static str>) {
    let class = match parameter {
        "1" => "bold",
        "2" | "90" => "dim",
        "31" | "91" => "red",
        "32" | "92" => "green",
        "33" | "93" => "yellow",
        "34" | "94" => "blue",
        "35" | "95" => "magenta",
        "36" | "96" => "cyan",
        "" | "0" => return classes.clear(),
        "22" => return classes.retain(|class| !["bold", "dim"].contains(class)),
        "39" => return classes.retain(|class| ["bold", "dim"].contains(class)),
        _ => return,
    };
    if !classes.contains(&class) {
        classes.push(class);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[test]
fn a_screen_is_taken_apart_into_coloured_pieces() {
    let screen =
        "\u{1b}[1;32mok\u{1b}[0m <a>\n\u{1b}]8;;https://a.example\u{1b}\\link\u{1b}]8;;\u{1b}\\";
    let span = |text: &str, class: &str| Span(text.to_owned(), class.to_owned());
    assert_eq!(
        spans(screen),
        [
            vec![span("ok", "bold green"), span(" <a>", "")],
            vec![span("link", "")],
        ]
    );
    let long = "x".repeat(COLUMNS + 1);
    assert_eq!(spans(&long).len(), 2);
    let svg = picture(&[("a < b", screen.to_owned())]);
    assert_eq!(texts(&svg), ["$ a &lt; b", "ok &lt;a&gt;", "link"]);
    assert_eq!(
        without_chance("until Tue, 01 Dec 2026 00:59:58 GMT, at http://127.0.0.1:1/cb/x/y/start"),
        "until Mon, 01 Jan 2029 12:00:00 GMT, at http://127.0.0.1:43117/cb/…/start"
    );
    let worded = format!("{} {}", "y".repeat(COLUMNS - 3), "words");
    assert_eq!(spans(&worded)[1], [span("words", "")]);
}
