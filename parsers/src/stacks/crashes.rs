//! Parts of crash reports that are no frames: what runtimes and frameworks write between and after them.
//!
//! In goes one line, out comes whether it has the shape of such a part. In which reports they count is said by
//! [`crate::records::continuation`].

use memchr::memmem;

/// What SQL drivers, SQLAlchemy and Kubernetes' client put after the exception's own line.
pub(crate) fn is_python_detail(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 10] = [
        b"(Background on this error at: ",
        b"[SQL: ",
        b"[parameters: ",
        b"DETAIL:  ",
        b"HINT:  ",
        b"CONTEXT:  ",
        b"QUERY:  ",
        b"Reason: ",
        b"HTTP response headers: ",
        b"HTTP response body: ",
    ];
    let is_place = || line.strip_prefix(b"LINE ").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit));
    STARTS.iter().any(|start| line.starts_with(start)) || is_place()
}

/// What pydantic writes below the name of a field that is not valid.
pub(crate) fn is_pydantic_fault(line: &[u8]) -> bool {
    let inside = |mark: &[u8]| memmem::find(line, mark).is_some();
    line.first() == Some(&b' ') && (inside(b"[type=") || inside(b"(type="))
}

/// place = ( path ( ".js" / ".mjs" / ".cjs" / ".ts" ) / "node:" module ) ":" line ; Node says so where it was thrown
pub(crate) fn is_node_place(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(file) = line[..line.len() - digits].strip_suffix(b":") else { return false };
    let is_source = [&b".js"[..], b".mjs", b".cjs", b".ts"].iter().any(|end| file.ends_with(end));
    digits > 0 && !file.contains(&b' ') && (is_source && file[0] != b'.' || file.starts_with(b"node:"))
}

/// What was thrown: `TypeError [CODE]: …`, `[UnhandledPromiseRejection: …] {`, `Uncaught …`
pub(crate) fn is_thrown(line: &[u8]) -> bool {
    let text = line.strip_prefix(b"[").unwrap_or(line);
    let name = text.iter().take(80).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let is_error = [&b"Error"[..], b"Exception", b"Rejection"].iter().any(|end| text[..name].ends_with(end));
    is_error && matches!(text[name..].first(), None | Some(b':' | b' ')) || line.starts_with(b"Uncaught ")
}

/// `Node.js v18.12.0`, after a blank line
pub(crate) fn is_node_version(line: &[u8]) -> bool {
    line.strip_prefix(b"Node.js v").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
}

/// Parts of what anyhow and its like write, after a blank line.
pub(crate) fn is_rust_section(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end(), b"Caused by:" | b"Stack backtrace:" | b"Location:")
}

/// `** (RuntimeError) boom`
pub(crate) fn is_elixir(line: &[u8]) -> bool {
    line.strip_prefix(b"** (").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_alphabetic))
}

/// What a terminated process of Elixir's was doing.
pub(crate) fn is_elixir_detail(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 8] = [
        b"Last message",
        b"State: ",
        b"Function: ",
        b"Client #PID<",
        b"Start Call: ",
        b"Restart: ",
        b"Initial Call: ",
        b"Ancestors: ",
    ];
    STARTS.iter().any(|start| line.starts_with(start))
}

/// Gin's middleware reports a panic: the request, the error and the frames follow.
pub(crate) fn is_gin_recovery(line: &[u8]) -> bool {
    line.trim_ascii_end().ends_with(b" panic recovered:") && memmem::find(line, b"[Recovery]").is_some()
}

/// place = path ( ".go" / ".s" ) ":" line SP "(0x" hex ")"
pub(crate) fn is_gin_place(line: &[u8]) -> bool {
    let Some(at) = memmem::find(line, b" (0x") else { return false };
    let digits = line[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let file = line[..at - digits].strip_suffix(b":").unwrap_or_default();
    digits > 0 && (file.ends_with(b".go") || file.ends_with(b".s")) && line.trim_ascii_end().ends_with(b")")
}

/// Laravel's stack, inside of a string that the record's line leaves open.
pub(crate) fn is_laravel_stack(line: &[u8]) -> bool {
    line.trim_ascii_end() == b"[stacktrace]"
}

/// Rails puts a request's tags before each line of a message: does the next line bear those of the first?
pub(crate) fn repeats_tags(first: &[u8], next: &[u8]) -> bool {
    if next.first() != Some(&b'[') || first.get(1) != Some(&b',') {
        return false;
    }
    let head = &first[..memchr::memchr(b'\n', first).unwrap_or(first.len())];
    let Some(at) = memmem::find(head, b" -- : [") else { return false };
    let tags = &head[at + 6..];
    let tag = &tags[..memchr::memchr(b']', tags).map_or(0, |end| end + 1)];
    !tag.is_empty() && next.strip_prefix(tag).is_some_and(|rest| matches!(rest.first(), None | Some(b' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_reports_have_shapes_of_their_own() {
        assert!(is_node_place(b"/app/index.js:3") && is_node_place(b"node:internal/process/promises:288"));
        assert!(
            is_thrown(b"Error: boom") && is_thrown(b"TypeError [ERR_X]: a") && is_thrown(b"[UnhandledRejection: a] {")
        );
        assert!(is_rust_section(b"Caused by:") && is_elixir(b"** (RuntimeError) boom"));
        assert!(is_gin_recovery(b"2026/11/23 12:00:00 [Recovery] 2026/11/23 - 12:00:00 panic recovered:"));
        assert!(is_gin_place(b"/usr/local/go/src/runtime/panic.go:113 (0x43)"));
        let first = b"E, [2026-11-23T12:00:00.123456 #1] ERROR -- : [abc]   \n[abc] x";
        assert!(repeats_tags(first, b"[abc] app/x.rb:2:in `f'") && repeats_tags(first, b"[abc]"));
        assert!(is_python_detail(b"LINE 1: SELECT") && is_pydantic_fault(b"  Field required [type=missing, a]"));
    }

    #[test]
    fn text_that_only_looks_so_is_none() {
        assert!(!is_node_place(b"see index.js:3") && !is_node_place(b"/app/index.js") && !is_node_place(b".js:3"));
        assert!(!is_thrown(b"Errors: 0") && !is_thrown(b"[2026-11-23]") && !is_thrown(b"error: boom"));
        assert!(!is_rust_section(b"Caused by: x") && !is_elixir(b"** (1) **"));
        assert!(!is_gin_recovery(b"panic recovered:") && !is_gin_place(b"panic at (0x43)"));
        let first = b"E, [2026-11-23T12:00:00.123456 #1] ERROR -- : [abc] x";
        assert!(!repeats_tags(first, b"[abd] y") && !repeats_tags(b"[abc] x", b"[abc] y"));
        assert!(!repeats_tags(first, b"[abc]y") && !is_python_detail(b"LINE A") && !is_pydantic_fault(b"[type=x]"));
    }
}
