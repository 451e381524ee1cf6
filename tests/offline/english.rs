//! The prose of this package is plain American English: comments, messages and documentation have none of the patterns
//! that make a native reader stumble. See "Style" in `CONTRIBUTING.md`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Something not to write.
struct Row {
    /// Words in a row, with nothing but spaces between them. `a|b` is one of several words, a word that ends in `*`
    /// stands for all that begin with it, `` ` `` is text in backticks, and `.` is the beginning or end of a sentence.
    /// `!a|b` and `-a|b` match nothing themselves: the next word, or the one before, must not be one of these.
    pattern: &'static str,
    advice: &'static str,
    /// What the pattern must find.
    wrong: &'static str,
    /// What it must not find.
    right: &'static str,
}

const fn row(pattern: &'static str, advice: &'static str, wrong: &'static str, right: &'static str) -> Row {
    Row { pattern, advice, wrong, right }
}

const TABLE: &[Row] = &[
    row(
        "without .",
        "write what the default is, or what is missing",
        "Newest first without.",
        "A request without a body. Without one, it fails.",
    ),
    row(
        "-there|here is|are|was|were no !longer|more|less|fewer|later|earlier|larger|smaller|shorter|better|worse|\
         different|bigger|older|newer|greater|wider|good|one|exception|part|problem|reason|use|matter|doubt",
        r#"write "is not a …""#,
        "This is no usable address.",
        "There is no such board, and the item is no longer there.",
    ),
    row(
        "-there|here is|are|was|were none !of",
        r#"write "is not one" or "there is none""#,
        "Fails if the address is none.",
        "There is none. It is none of these, and then the value is None.",
    ),
    row(
        ". so long|many|much !as|that|for|so",
        r#"write "how long", "how many" or "this many""#,
        "So long an item is waited for.",
        "So long as the item runs, it counts. So far, so good.",
    ),
    row("most so many|long", r#"write "at most this many""#, "At most so many wait.", "At most this many wait."),
    row("so many|long at !once", r#"write "at most this many""#, "It takes so many at most.", "Not so many at once."),
    row(
        "-only so many bytes|images|items|times",
        r#"write "this many", or name the number"#,
        "Reads so many bytes.",
        "Reads this many bytes. A queue holds only so many items.",
    ),
    row(
        "so long|many|often .",
        r#"write "this long" and the like"#,
        "Waits so long.",
        "It takes so long that it is canceled.",
    ),
    row(
        "told !to|it|us|you|so|that|not|about|how|what|which|where|otherwise",
        r#"write "reported", "known", "identified" or "distinguished""#,
        "Each end is told once.",
        "The worker does what it is told to do.",
    ),
    row(
        "tell|tells|telling of|that|no|apart",
        r#"write "reports", "says" or "distinguishes""#,
        "An event tells of each item.",
        "The log tells us.",
    ),
    row(
        "tell|tells|telling the !server|user|caller|reader|client|process|compiler|program|child|library|store|streams|\
         others",
        r#"write "reports", "says" or "identifies""#,
        "The answer tells the name.",
        "A signal tells the server to stop.",
    ),
    row(
        "passing !`|a|an|the|it|its|them|this|that|these|those|on|in|through|by|no|none|one|any|test|tests",
        r#"write "temporary", "transient" or InvokeAI's "intermediate""#,
        "It saves a passing image.",
        "It works by passing the name on.",
    ),
    row(
        "the|an|a|with|of|no own !a|an|the|it|them",
        r#"write "its own" or "your own""#,
        "Changes the own name.",
        "A process of its own, which may own the file.",
    ),
    row(
        ". says how|what",
        r#"write "Returns …", "Sets …" or "Prints …""#,
        "Deletes all images. Says how many.",
        "The error says what is wrong.",
    ),
    row(
        ". by what",
        r#"write "Sort key of …" or "What … by""#,
        "By what boards are ordered.",
        "It goes by what is sent.",
    ),
    row(
        ". from where",
        r#"write "Where … from""#,
        "From where a model is installed.",
        "It goes on from where it ended.",
    ),
    row(
        ". makes|make a|an !request|copy|call|connection|list|note|guess|choice|decision|difference|node|worker",
        r#"write "Creates a …""#,
        "Makes a board.",
        "Makes a copy. It makes a board.",
    ),
    row(". else", r#"write "Otherwise, …""#, "Else the name counts.", "Send it, or else wait."),
    row(
        "it|that|this is|was there already",
        r#"write "already exists""#,
        "It is there already.",
        "Keeps what is already there.",
    ),
    row(
        "behaviour*|catalogue*|colour*|favour*|honour*|neighbour*|centre*|fibre|grey*|licence*|defence|artefact*|programme|\
         programmes|spoilt|learnt|whilst|amongst|queueing|labelled|unlabelled|modelled|modelling|signalled|\
         signalling|travelled|cancelled|cancelling|analyse|analysed|analyser|authoris*|capitalis*|categoris*|\
         uncategoris*|customis*|deserialis*|finalise*|generalis*|initialis*|minimis*|normalis*|optimise*|\
         optimisation*|organise*|organisation*|realise*|recognis*|serialis*|summaris*|synchronis*",
        "use the American spelling",
        "Its colour is recognised.",
        "The programmer is optimistic: a `colour` has a center.",
    ),
];

/// Lines that belong together, with their numbers.
type Passage = Vec<(usize, String)>;

/// A paragraph or a list item ends here.
const BREAK: char = '\0';

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    Space,
    Comma,
    Sentence,
}

#[derive(Debug)]
struct Word {
    /// A backtick for a text in backticks. The first word of a sentence begins with a small letter.
    text: String,
    line: usize,
    /// What is between it and the word before.
    gap: Gap,
}

impl Word {
    fn is_one_of(&self, listed: &str) -> bool {
        let fits = |word: &str| word.strip_suffix('*').map_or(self.text == word, |stem| self.text.starts_with(stem));
        listed.split('|').any(fits)
    }
}

/// Comments and string literals of a Rust file.
fn passages_of_rust(text: &str) -> Vec<Passage> {
    let chars: Vec<char> = text.chars().collect();
    let mut passages: Vec<Passage> = Vec::new();
    // The line and the kind of the last comment that may go on.
    let mut open: Option<(usize, &str)> = None;
    let (mut at, mut line, mut only_space) = (0, 1, true);
    while at < chars.len() {
        let rest = &chars[at..];
        if rest[0] == '\n' {
            (at, line, only_space) = (at + 1, line + 1, true);
        } else if rest.starts_with(&['/', '/']) {
            let end = rest.iter().position(|&c| c == '\n').unwrap_or(rest.len());
            let comment: String = rest[..end].iter().collect();
            let kind = ["///", "//!", "//"].into_iter().find(|kind| comment.starts_with(kind)).unwrap();
            let body = (line, comment[kind.len()..].to_owned());
            match passages.last_mut() {
                Some(passage) if only_space && open == Some((line - 1, kind)) => passage.push(body),
                _ => passages.push(vec![body]),
            }
            open = Some((line, kind));
            at += end;
        } else if let Some((hashes, quoted)) = raw_string(rest, at.checked_sub(1).map(|before| chars[before])) {
            open = None;
            // Several lines of code are not prose.
            if !quoted.lines().any(|line| line.ends_with([';', '{'])) {
                passages.extend(literal(&quoted, line));
            }
            line += quoted.matches('\n').count();
            // `r`, and a quotation mark and the hashes on both sides.
            at += 1 + 2 * (hashes + 1) + quoted.chars().count();
        } else if rest[0] == '"' {
            open = None;
            let (length, quoted) = string(rest);
            passages.extend(literal(&quoted, line));
            line += rest[..length].iter().filter(|&&c| c == '\n').count();
            at += length;
        } else if rest.starts_with(&['\'', '\\']) {
            at += 4 + rest[3..].iter().position(|&c| c == '\'').unwrap_or(0);
        } else if rest[0] == '\'' && rest.get(2) == Some(&'\'') {
            at += 3;
        } else {
            only_space &= rest[0].is_whitespace();
            at += 1;
        }
    }
    passages
}

/// The lines of a literal, if it is more than a word or two: those are names and values.
fn literal(text: &str, first: usize) -> Option<Passage> {
    let lines = text.split('\n').enumerate().map(|(index, line)| (first + index, line.to_owned()));
    (text.split_whitespace().count() > 2).then(|| lines.collect())
}

/// The number of hashes and the text of a raw string literal that begins here.
fn raw_string(rest: &[char], before: Option<char>) -> Option<(usize, String)> {
    if rest[0] != 'r' || before.is_some_and(|c| c != 'b' && (c.is_alphanumeric() || c == '_')) {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    let text = rest[1 + hashes..].strip_prefix(&['"'])?;
    let mut end = vec!['"'];
    end.resize(1 + hashes, '#');
    let length = text.windows(end.len()).position(|window| window == end)?;
    Some((hashes, text[..length].iter().collect()))
}

/// The length in the source of the string literal that begins here, and its text: a placeholder is a text in backticks.
fn string(rest: &[char]) -> (usize, String) {
    let (mut at, mut text) = (1, String::new());
    while rest[at] != '"' {
        if rest[at] == '\\' {
            at += 1;
            match rest[at] {
                'n' | 'r' | 't' => text.push(BREAK),
                c => text.push(c),
            }
        } else {
            text.push(rest[at]);
        }
        at += 1;
    }
    let mut plain = String::new();
    let mut left = text.as_str();
    while let Some((before, after)) = left.split_once('{') {
        plain.push_str(before);
        left = match after.split_once(['}', '\n']) {
            Some((inside, after)) if left[before.len() + 1 + inside.len()..].starts_with('}') => {
                plain.push_str("`_`");
                after
            }
            _ => {
                plain.push('{');
                after
            }
        };
    }
    plain.push_str(left);
    (at + 1, plain)
}

/// A page of documentation. What it quotes is the text of messages, which are searched where they are written.
fn passage_of_markdown(text: &str, style_sheet: bool) -> Passage {
    let quoted = |line: &str| {
        let parts: Vec<&str> = line.split('"').collect();
        let shown = parts.iter().enumerate().map(|(index, part)| match index % 2 {
            1 if index + 1 < parts.len() => "`_`",
            _ => *part,
        });
        shown.collect::<String>()
    };
    let shown =
        text.lines().map(|line| if style_sheet && line.starts_with('|') { String::new() } else { quoted(line) });
    shown.enumerate().map(|(index, line)| (index + 1, line)).collect()
}

/// The words of a passage. Of a block of code only its comments count.
fn words(passage: &[(usize, String)]) -> Vec<Word> {
    let mut chars: Vec<(char, usize)> = Vec::new();
    let mut in_code = false;
    for (number, line) in passage {
        let trimmed = line.trim();
        let fence = trimmed.starts_with("```");
        in_code ^= fence;
        let comment = line.split_once("// ").map(|(_, comment)| comment);
        let item = trimmed.is_empty() || trimmed.starts_with(['-', '*', '|', '#', '>', '0', '1', '2', '3', '4', '5']);
        let shown = match comment {
            Some(comment) if in_code => comment,
            _ if in_code || fence => "",
            _ => trimmed,
        };
        if item || in_code || fence {
            chars.push((BREAK, *number));
        }
        chars.extend(shown.chars().chain(['\n']).map(|c| (c, *number)));
    }
    let starts =
        |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i).is_some_and(|a| a.0 == c));
    let until = |at: usize, ends: &dyn Fn(char) -> bool| {
        chars[at..].iter().position(|&(c, _)| ends(c)).map_or(chars.len(), |length| at + length)
    };
    let mut words = Vec::new();
    let (mut at, mut gap) = (0, Gap::Sentence);
    while let Some(&(c, line)) = chars.get(at) {
        let mut word = |mut text: String| {
            if gap == Gap::Sentence {
                text[..1].make_ascii_lowercase();
            }
            words.push(Word { text, line, gap });
            gap = Gap::Space;
        };
        if c == '`' {
            word("`".to_owned());
            let inside = until(at, &|c| c != '`');
            at = until(until(inside, &|c| c == '`'), &|c| c != '`');
        } else if starts(at, "http://") || starts(at, "https://") {
            word("`".to_owned());
            at = until(at, &|c| c.is_whitespace() || c == BREAK || c == ')');
            while !chars[at - 1].0.is_alphanumeric() && chars[at - 1].0 != '/' {
                at -= 1;
            }
        } else if c.is_ascii_alphanumeric() {
            let mut end = at;
            while let Some(&(c, _)) = chars.get(end) {
                let inside = matches!(c, '_' | '-' | ':' | '/' | '.');
                let goes_on = || chars.get(end + 1).is_some_and(|next| next.0.is_ascii_alphanumeric());
                if !(c.is_alphanumeric() || c == '\'' || c == '’' || inside && goes_on()) {
                    break;
                }
                end += 1;
            }
            word(chars[at..end].iter().map(|&(c, _)| c).filter(|&c| c != '\'').collect());
            at = end;
        } else if starts(at, "](") {
            at = until(at, &|c| c == ')' || c.is_whitespace());
            at += usize::from(chars.get(at).is_some_and(|end| end.0 == ')'));
        } else {
            let next = chars.get(at + 1).map_or(BREAK, |next| next.0);
            let ends = next.is_whitespace() || matches!(next, BREAK | ')' | '"' | '\'' | '*');
            gap = match c {
                BREAK | '|' => Gap::Sentence,
                '.' | '!' | '?' | ';' if ends => Gap::Sentence,
                '"' | '\'' | '*' | '_' | '[' | ']' => gap,
                c if c.is_whitespace() => gap,
                _ if gap == Gap::Space => Gap::Comma,
                _ => gap,
            };
            at += 1;
        }
    }
    // The end, which no pattern matches.
    words.push(Word { text: String::from("."), line: 0, gap: if gap == Gap::Space { Gap::Sentence } else { gap } });
    words
}

/// Where a match that begins at this word ends.
fn matched(pattern: &str, words: &[Word], start: usize) -> Option<usize> {
    let mut at = start;
    for element in pattern.split(' ') {
        let word = words.get(at)?;
        let joined = word.gap == Gap::Space;
        let fits = match element.split_at(1) {
            (".", "") => word.gap == Gap::Sentence,
            ("-", listed) => !(joined && at > 0 && words[at - 1].is_one_of(listed)),
            ("!", listed) => !(joined && word.is_one_of(listed)),
            _ => {
                at += 1;
                (joined || at == start + 1) && word.is_one_of(element)
            }
        };
        if !fits {
            return None;
        }
    }
    Some(at)
}

/// What a row finds: the line, and the words.
fn found(row: &Row, words: &[Word]) -> Vec<(usize, String)> {
    let matches = (0..words.len()).filter_map(|start| Some((start, matched(row.pattern, words, start)?)));
    let text = |(start, end): (usize, usize)| {
        let shown: Vec<&str> = words[start..end].iter().map(|word| word.text.as_str()).collect();
        (words[start].line, shown.join(" "))
    };
    matches.map(text).collect()
}

fn search(passages: &[Passage]) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    for passage in passages {
        let words = words(passage);
        for row in TABLE {
            all.extend(
                found(row, &words).into_iter().map(|(line, text)| (line, format!("\"{text}\": {}", row.advice))),
            );
        }
    }
    all.sort();
    all
}

/// Rust files and pages of Markdown, by their paths below the root of the package.
fn files(root: &Path, folder: &str, deep: bool, files_found: &mut Vec<PathBuf>) {
    const SKIPPED: [&str; 3] = ["tests/fixtures", "examples/workflows", "tests/offline/english.rs"];
    for entry in fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
        let path = entry.unwrap().path();
        let below = path.strip_prefix(root).unwrap();
        if SKIPPED.iter().any(|skipped| below == Path::new(skipped)) || path.ends_with("target") {
            continue;
        }
        if path.is_dir() && deep {
            files(root, below.to_str().unwrap(), deep, files_found);
        } else if path.is_file() && path.extension().is_some_and(|kind| kind == "rs" || kind == "md") {
            files_found.push(below.to_owned());
        }
    }
}

#[test]
fn prose_is_plain_american_english() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    files(root, "", false, &mut all);
    for folder in ["benches", "build", "docs", "examples", "src", "tests"] {
        files(root, folder, true, &mut all);
    }
    all.sort();
    assert!(all.len() > 300, "only {} files were found", all.len());

    let mut report = Vec::new();
    for file in all {
        let text = fs::read_to_string(root.join(&file)).unwrap();
        let passages = if file.extension().is_some_and(|kind| kind == "md") {
            vec![passage_of_markdown(&text, file == Path::new("CONTRIBUTING.md"))]
        } else {
            passages_of_rust(&text)
        };
        report.extend(search(&passages).into_iter().map(|(line, text)| format!("{}:{line}: {text}", file.display())));
    }
    assert!(report.is_empty(), "{} places to reword:\n{}", report.len(), report.join("\n"));
}

#[test]
fn every_pattern_finds_what_is_wrong_and_accepts_what_is_right() {
    for row in TABLE {
        let hits = |text: &str| found(row, &words(&[(1, text.to_owned())]));
        assert!(!hits(row.wrong).is_empty(), "`{}` does not find: {}", row.pattern, row.wrong);
        assert!(hits(row.right).is_empty(), "`{}` finds {:?} in: {}", row.pattern, hits(row.right), row.right);
    }
}

#[test]
fn only_prose_is_searched_and_lines_are_counted() {
    let rust = r##"
//! Newest first
//! without. A `colour`, a [colour](https://example.org/colour).
//!
//! ```
//! let colour = told; // Else it fails.
//! ```
fn behaviour(told: &'static str) -> char {
    let raw = r#"Each is "told" once."#; // So long it waits.
    let text = "The file {told} \
                is no image.\nElse, it is.";
    ('"', '\'', "cancelled", '\u{1F600}').0 // Makes a board.
}
"##;
    let lines: Vec<usize> = search(&passages_of_rust(rust)).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 3, 6, 9, 9, 11, 11, 12]);

    let page = "# Colour\n\nIt prints \"it is none\".\n\n- Else\n\n```console\n$ told\n```\n";
    let lines: Vec<usize> = search(&[passage_of_markdown(page, false)]).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 5]);
}
