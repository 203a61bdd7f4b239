//! The rules of the house, as far as a program can see them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each layer may name itself and those before it.
const LAYERS: [&str; 7] = ["wire", "flow", "mux", "secret", "runtime", "rpc", "ssb"];
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

struct Source {
    /// From the root, with forward slashes.
    name: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" && name != "target" {
            collect(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    folders.iter().for_each(|folder| collect(&root().join(folder), &mut paths));
    paths.sort();
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/"),
        text: fs::read_to_string(&path).expect("sources are text"),
    };
    paths.into_iter().map(read).collect()
}

fn everything() -> Vec<Source> {
    sources(&["src", "tests", "loadgen", "benches", "examples", "fuzz"])
}

/// The text before the trailing test module.
fn without_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code)
}

/// The lines of code: comments taken away, words in strings too.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let strip = |line: &str| {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
    };
    text.lines().enumerate().map(move |(at, line)| (at + 1, strip(line)))
}

fn is_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + word.len()..].chars().next())
    })
}

fn must_be_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_layer_names_one_above_it() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        let Some(layer) = LAYERS.iter().position(|layer| source.name.starts_with(&format!("src/{layer}/")))
        else {
            continue;
        };
        let above = &LAYERS[layer + 1..];
        // A braced import is one statement over several lines.
        let code: String = code_lines(&source.text).map(|(_, line)| line + "\n").collect();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let named: Vec<&str> = if let Some(braced) = rest.strip_prefix('{') {
                top_names(braced)
            } else {
                rest.split(|c: char| !c.is_alphanumeric() && c != '_').take(1).collect()
            };
            let line = code[..at].matches('\n').count() + 1;
            found.extend(
                named.iter().filter(|name| above.contains(name)).map(|name| {
                    format!("{}:{line}: `crate::{name}` is above `{}`", source.name, LAYERS[layer])
                }),
            );
        }
    }
    must_be_none(&found);
}

/// The first words of a braced list's entries, up to its closing brace.
fn top_names(braced: &str) -> Vec<&str> {
    let (mut depth, mut end) = (1, braced.len());
    let mut starts = vec![0];
    for (at, c) in braced.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => starts.push(at + 1),
            _ => {}
        }
        if depth == 0 {
            end = at;
            break;
        }
    }
    let first = |at: &usize| {
        let entry = braced[*at..end].trim_start();
        entry.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
    };
    starts.iter().filter(|at| **at <= end).map(first).collect()
}

#[test]
fn no_file_is_long() {
    let lines = |source: &Source| without_tests(&source.text).lines().count();
    let is_code = |source: &Source| !source.name.ends_with("/tests.rs");
    let long = everything().into_iter().filter(|source| is_code(source) && lines(source) > FILE_LINES_MAX);
    must_be_none(
        &long.map(|source| format!("{}: {} lines", source.name, lines(&source))).collect::<Vec<_>>(),
    );
}

#[test]
fn no_function_is_long() {
    let mut found = Vec::new();
    for source in everything() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words: Vec<&str> = line.split_whitespace().take(6).collect();
            if !words.contains(&"fn") || line.trim_start().starts_with("//") {
                continue;
            }
            // A declaration in a trait, on one line or several, has no body.
            let ends = lines[at..].iter().find(|line| line.ends_with([';', '{', '}']));
            if ends.is_some_and(|line| line.ends_with(';')) {
                continue;
            }
            // Formatted code closes a function at the indent it began with.
            let closing = format!("{}}}", " ".repeat(indent));
            let length = lines[at..].iter().position(|line| *line == closing).unwrap_or(0) + 1;
            if length > FUNCTION_LINES_MAX {
                found.push(format!("{}:{}: {length} lines", source.name, at + 1));
            }
        }
    }
    must_be_none(&found);
}

#[test]
fn unsafe_stands_only_where_the_kernel_is_spoken_to() {
    const ALLOWED: [&str; 3] = ["src/runtime/io/", "src/runtime/doctor/", "src/runtime/cpus.rs"];
    let mut found = Vec::new();
    for source in sources(&["src", "loadgen", "examples"]) {
        if ALLOWED.iter().any(|allowed| source.name.starts_with(allowed)) {
            continue;
        }
        let lines = code_lines(&source.text).filter(|(_, line)| is_word(line, "unsafe"));
        found.extend(lines.map(|(at, _)| format!("{}:{at}: unsafe", source.name)));
    }
    must_be_none(&found);
}

#[test]
fn every_bound_says_what_it_stops() {
    let source = fs::read_to_string(root().join("src/mux/limits.rs")).expect("it is there");
    let (_, rest) = source.split_once("pub struct Limits {").expect("the struct");
    let (fields, _) = rest.split_once("\n}").expect("its end");
    let mut found = Vec::new();
    let mut has_doc = false;
    for line in fields.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with("pub ") && !std::mem::take(&mut has_doc) {
            found.push(format!("no doc: {line}"));
        }
        has_doc |= line.starts_with("///");
    }
    assert!(fields.matches("pub ").count() >= 10, "the fields are found");
    must_be_none(&found);
}

#[test]
fn nothing_is_left_for_later() {
    // In pieces, or this file would be found.
    let banned =
        [["TO", "DO"], ["FIX", "ME"], ["dbg", "!("], ["todo", "!("], ["XX", "X"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for source in everything() {
        for (at, line) in source.text.lines().enumerate() {
            let words = banned.iter().filter(|word| line.contains(word.as_str()));
            found.extend(words.map(|word| format!("{}:{}: {word}", source.name, at + 1)));
        }
    }
    must_be_none(&found);
}

#[test]
fn the_pure_layers_forbid_unsafe_and_read_no_clock() {
    let mut found = Vec::new();
    for source in sources(&["src/wire", "src/flow", "src/mux", "src/secret"]) {
        if source.name.matches('/').count() == 2 && source.name.ends_with("/mod.rs") {
            assert!(source.text.contains("#![forbid(unsafe_code)]"), "{}", source.name);
        }
        for (at, line) in code_lines(&source.text) {
            let words = ["Instant", "SystemTime", "TcpStream", "glommio", "thread"];
            found.extend(
                words
                    .iter()
                    .filter(|word| is_word(&line, word))
                    .map(|word| format!("{}:{at}: {word}", source.name)),
            );
        }
    }
    must_be_none(&found);
}
