//! Where programs of a node write their lines: inside a request, or in a loop of their own.
//!
//! In goes a line's program, source file and message, out comes its [`Site`]. The rows are data, `call_sites.txt`; those of
//! a user come before them (`--call-sites`). What no row matches is left to learning.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::correlate::hint::Site;
use crate::record::Producer;

/// SiteRules of a user, at most.
const ROWS_MAX: usize = 100_000;

/// The rows that come with the program.
static OWN: LazyLock<CallSites> =
    LazyLock::new(|| CallSites::parse(include_str!("call_sites.txt")).unwrap_or_default());

/// Call sites by program.
#[derive(Debug, Clone, Default)]
pub struct CallSites {
    /// A few: looking at each is quicker than hashing.
    programs: Vec<(Producer, SiteRules)>,
}

/// Why a file of call sites means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CallSiteError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Of one program, numbered in order.
#[derive(Debug, Clone, Default)]
struct SiteRules {
    count: usize,
    /// Those with a mere name of a file.
    by_name: HashMap<Box<[u8]>, Vec<SiteRule>>,
    others: Vec<(File, SiteRule)>,
}

#[derive(Debug, Clone)]
struct SiteRule {
    number: usize,
    message: Box<[u8]>,
    site: Site,
}

#[derive(Debug, Clone)]
enum File {
    Any,
    /// The end of a path, of more than its last part.
    End(Box<[u8]>),
    /// A folder, with `/` at its end.
    Folder(Box<[u8]>),
}

impl CallSites {
    /// From rows `PROGRAM FILE WHERE [START OF THE MESSAGE]`.
    pub fn parse(text: &str) -> Result<CallSites, CallSiteError> {
        let mut sites = CallSites::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let fail = |reason: String| CallSiteError { line, reason };
            let (program, rest) = word(text);
            let (file, rest) = word(rest);
            let (site, message) = word(rest);
            let producer = producer(program).ok_or_else(|| fail(format!("no program {program:?}: {PROGRAMS}")))?;
            let site = match site {
                "in" => Site::Inside,
                "async" => Site::Elsewhere,
                "out" => Site::Outside,
                "any" => Site::Unknown,
                "" => return Err(fail("PROGRAM FILE WHERE [START OF THE MESSAGE] are needed".into())),
                other => return Err(fail(format!("no place {other:?}: in, async, out or any"))),
            };
            let rows = sites.rows_for(producer);
            if rows.count >= ROWS_MAX {
                return Err(fail(format!("more than {ROWS_MAX} rows of {program}")));
            }
            rows.push(file, message, site);
        }
        Ok(sites)
    }

    /// Of a line. Without a file (JSON logs may have none) the message alone decides: the row with the longest that fits.
    /// `file` is asked for only where the program has rows.
    pub(crate) fn of<'f>(&self, producer: Producer, file: impl FnOnce() -> Option<&'f [u8]>, message: &[u8]) -> Site {
        let (users, own) = (self.rows_of(producer), OWN.rows_of(producer));
        if users.is_none() && own.is_none() {
            return Site::Unknown;
        }
        let file = file();
        let mut tables = users.into_iter().chain(own);
        tables.find_map(|rows| rows.find(file, message)).unwrap_or(Site::Unknown)
    }

    fn rows_of(&self, producer: Producer) -> Option<&SiteRules> {
        self.programs.iter().find(|(of, _)| *of == producer).map(|(_, rows)| rows)
    }

    fn rows_for(&mut self, producer: Producer) -> &mut SiteRules {
        let known = self.programs.iter().position(|(of, _)| *of == producer);
        let at = known.unwrap_or(self.programs.len());
        if known.is_none() {
            self.programs.push((producer, SiteRules::default()));
        }
        &mut self.programs[at].1
    }
}

const PROGRAMS: &str =
    "kubelet, crio, containerd, conmon-rs, conmon, pod (any container but the control plane's) or other";

fn producer(program: &str) -> Option<Producer> {
    Some(match program {
        "kubelet" => Producer::Kubelet,
        "crio" => Producer::Crio,
        "containerd" => Producer::Containerd,
        "conmon-rs" => Producer::ConmonRs,
        "conmon" => Producer::Conmon,
        "pod" => Producer::Pod,
        "other" => Producer::Other,
        _ => return None,
    })
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

impl SiteRules {
    fn push(&mut self, file: &str, message: &str, site: Site) {
        let row = SiteRule { number: self.count, message: message.as_bytes().into(), site };
        self.count += 1;
        let bytes = file.as_bytes();
        match bytes {
            b"*" => self.others.push((File::Any, row)),
            [.., b'/'] => self.others.push((File::Folder(bytes.into()), row)),
            _ if bytes.contains(&b'/') => self.others.push((File::End(bytes.into()), row)),
            _ => self.by_name.entry(bytes.into()).or_default().push(row),
        }
    }

    /// The first row that fits.
    fn find(&self, file: Option<&[u8]>, message: &[u8]) -> Option<Site> {
        let fits = |row: &&SiteRule| message.starts_with(&row.message);
        let Some(file) = file.map(without_line).filter(|file| !file.is_empty()) else {
            let named = self.by_name.values().flatten().map(|row| (row, false));
            let others = self.others.iter().map(|(of, row)| (row, matches!(of, File::Any)));
            let may_fit = |(row, is_any): &(&SiteRule, bool)| *is_any || !row.message.is_empty();
            let rows = named.chain(others).filter(may_fit).map(|(row, _)| row).filter(fits);
            return rows.max_by_key(|row| (row.message.len(), std::cmp::Reverse(row.number))).map(|row| row.site);
        };
        let name = memchr::memrchr(b'/', file).map_or(file, |at| &file[at + 1..]);
        let named = self.by_name.get(name).and_then(|rows| rows.iter().find(fits));
        let other = self.others.iter().find(|(of, row)| of.fits(file) && fits(&row)).map(|(_, row)| row);
        named.into_iter().chain(other).min_by_key(|row| row.number).map(|row| row.site)
    }
}

impl File {
    fn fits(&self, file: &[u8]) -> bool {
        match self {
            File::Any => true,
            File::End(end) => file.strip_suffix(&**end).is_some_and(|before| matches!(before, [] | [.., b'/'])),
            File::Folder(folder) => {
                let mut at = memchr::memmem::find_iter(file, folder);
                at.any(|at| at == 0 || file[at - 1] == b'/')
            }
        }
    }
}

/// `server/server.go:871` → `server/server.go`
fn without_line(file: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', file) {
        Some(at) if file[at + 1..].iter().all(u8::is_ascii_digit) => &file[..at],
        _ => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sites: &CallSites, producer: Producer, file: Option<&[u8]>, message: &[u8]) -> Site {
        sites.of(producer, || file, message)
    }

    #[test]
    fn the_first_row_that_fits_decides() {
        let none = CallSites::default();
        let kubelet = |file: Option<&str>, message: &str| {
            of(&none, Producer::Kubelet, file.map(str::as_bytes), message.as_bytes())
        };
        assert_eq!(kubelet(Some("kubelet.go"), "SyncLoop ADD"), Site::Elsewhere);
        assert_eq!(kubelet(Some("kubelet/kubelet.go"), "SyncPod enter"), Site::Inside);
        assert_eq!(kubelet(Some("kubelet.go"), "never seen"), Site::Unknown);
        assert_eq!(kubelet(None, "SyncTerminatingPod enter"), Site::Elsewhere);
        assert_eq!(kubelet(None, "Generating pod status"), Site::Inside);
        let crio = |file: &[u8]| of(&none, Producer::Crio, Some(file), b"Event: CREATE");
        assert_eq!(crio(b"server/server.go:871"), Site::Outside);
        assert_eq!(crio(b"storage/image.go:1"), Site::Unknown);
        assert_eq!(crio(b"watchdog/watchdog.go:7"), Site::Outside);
        assert_eq!(of(&none, Producer::Containerd, None, b"TaskExit event in podsandbox"), Site::Outside);
    }

    #[test]
    fn a_users_rows_come_first() {
        let rows = "# mine\n\nkubelet kubelet.go in SyncLoop ADD\npod * out idle, waiting for work\npod web/ any\n";
        let sites = CallSites::parse(rows).unwrap();
        assert_eq!(of(&sites, Producer::Kubelet, Some(b"kubelet.go"), b"SyncLoop ADD x"), Site::Inside);
        assert_eq!(of(&sites, Producer::Kubelet, Some(b"kubelet.go"), b"SyncLoop DELETE"), Site::Elsewhere);
        assert_eq!(of(&sites, Producer::Pod, None, b"idle, waiting for work: 3"), Site::Outside);
        assert_eq!(of(&sites, Producer::Pod, Some(b"x/web/a.go"), b"served"), Site::Unknown);
        assert_eq!(of(&sites, Producer::Pod, None, b"served"), Site::Unknown);
    }

    #[test]
    fn any_file_is_none_too() {
        let sites = CallSites::parse("containerd * any\npod web.go out\npod * async\npod * in served\n").unwrap();
        assert_eq!(of(&sites, Producer::Containerd, None, b"TaskExit event"), Site::Unknown);
        assert_eq!(of(&sites, Producer::Pod, None, b"idle"), Site::Elsewhere);
        assert_eq!(of(&sites, Producer::Pod, None, b"served"), Site::Inside);
        assert_eq!(of(&sites, Producer::Pod, Some(b"web.go:1"), b"served"), Site::Outside);
    }

    #[test]
    fn the_own_rows_are_read() {
        let own = CallSites::parse(include_str!("call_sites.txt")).unwrap();
        assert!(own.rows_of(Producer::Kubelet).unwrap().count > 100);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let fails = |text: &str| CallSites::parse(text).unwrap_err().to_string();
        assert!(fails("\nkublet x.go in").starts_with("line 2: no program \"kublet\""));
        assert!(fails("kubelet x.go inside").contains("no place \"inside\""));
        assert!(fails("kubelet x.go").contains("are needed"));
    }
}
