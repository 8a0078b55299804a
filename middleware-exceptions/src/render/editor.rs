//! The editor at hand, where it is one that opens URLs.

use std::sync::OnceLock;

/// The pattern of its URLs.
pub(crate) fn at_hand() -> Option<&'static str> {
    static PATTERN: OnceLock<Option<&'static str>> = OnceLock::new();
    *PATTERN.get_or_init(|| of_environment(|name| std::env::var(name).ok()))
}

/// Commands of editors, and the URLs that these open where they are installed.
const EDITORS: [(&str, &str); 8] = [
    ("code", "vscode://file/{path}:{line}:{column}"),
    (
        "code-insiders",
        "vscode-insiders://file/{path}:{line}:{column}",
    ),
    ("codium", "vscodium://file/{path}:{line}:{column}"),
    ("cursor", "cursor://file/{path}:{line}:{column}"),
    ("windsurf", "windsurf://file/{path}:{line}:{column}"),
    ("zed", "zed://file/{path}:{line}:{column}"),
    (
        "mate",
        "txmt://open?url=file://{path}&line={line}&column={column}",
    ),
    ("mvim", "mvim://open?url=file://{path}&line={line}"),
];

/// The editor in whose terminal the program was started, or else the one that the user prefers.
fn of_environment(var: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    // The browser, and so the editor it opens, are at another machine; there the path is another file's or none's.
    let elsewhere = ["SSH_CONNECTION", "REMOTE_CONTAINERS", "WSL_DISTRO_NAME"];
    if elsewhere.iter().any(|name| var(name).is_some()) {
        return None;
    }
    let terminal = match var("TERM_PROGRAM").unwrap_or_default().as_str() {
        "vscode" => Some(which_vscode(&var)),
        "zed" => Some("zed"),
        _ => None,
    };
    let preferred = || {
        let command = var("VISUAL").or_else(|| var("EDITOR"))?;
        let program = command.split_ascii_whitespace().next()?;
        Some(program.rsplit(['/', '\\']).next()?.to_owned())
    };
    let name = terminal.map(Into::into).or_else(preferred)?;
    EDITORS
        .iter()
        .find_map(|(command, pattern)| (*command == name).then_some(*pattern))
}

/// The editors made from VS Code call themselves that; the path of a script of theirs does not.
fn which_vscode(var: &impl Fn(&str) -> Option<String>) -> &'static str {
    let script = var("VSCODE_GIT_ASKPASS_MAIN").unwrap_or_default();
    let script = script.to_ascii_lowercase();
    let is_of = |mark: &&str| script.contains(*mark);
    match ["cursor", "windsurf", "codium", "insiders"]
        .iter()
        .find(|mark| is_of(mark))
    {
        Some(&"insiders") => "code-insiders",
        Some(name) => name,
        None => "code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_is_known_by_its_terminal_or_by_name() {
        let script =
            |app: &str| format!("/opt/{app}/resources/app/extensions/git/dist/askpass-main.js");
        let cursor = script("Cursor");
        let insiders = script("VS Code Insiders");
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let cases: &[Case<'_>] = &[
            (&[], None),
            (&[("EDITOR", "vim")], None),
            (&[("EDITOR", "nano"), ("TERM_PROGRAM", "tmux")], None),
            (&[("TERM_PROGRAM", "vscode")], Some("vscode")),
            (
                &[("TERM_PROGRAM", "vscode"), ("EDITOR", "vim")],
                Some("vscode"),
            ),
            (
                &[
                    ("TERM_PROGRAM", "vscode"),
                    ("VSCODE_GIT_ASKPASS_MAIN", &cursor),
                ],
                Some("cursor"),
            ),
            (
                &[
                    ("TERM_PROGRAM", "vscode"),
                    ("VSCODE_GIT_ASKPASS_MAIN", &insiders),
                ],
                Some("vscode-insiders"),
            ),
            (&[("TERM_PROGRAM", "zed")], Some("zed")),
            (
                &[("VISUAL", "/usr/bin/codium --wait"), ("EDITOR", "vi")],
                Some("vscodium"),
            ),
            (&[("EDITOR", "mate -w")], Some("txmt")),
            (&[("VISUAL", "vim"), ("EDITOR", "code")], None),
            (
                &[
                    ("EDITOR", "code"),
                    ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22"),
                ],
                None,
            ),
            (
                &[("TERM_PROGRAM", "vscode"), ("WSL_DISTRO_NAME", "Debian")],
                None,
            ),
            (&[("EDITOR", "")], None),
        ];
        for (environment, scheme) in cases {
            let pattern = of_environment(|name| {
                let found = environment.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            let found = pattern.and_then(|pattern| Some(pattern.split_once(':')?.0));
            assert_eq!(found, *scheme, "{environment:?}");
        }
    }
}
