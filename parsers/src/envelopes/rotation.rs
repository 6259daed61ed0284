//! Which files are rotations of one log, and in which order they were written.
//!
//! In goes a file's name, out come the name of the log it belongs to and its place among the others: kubelet's
//! `0.log.20261123-091549.gz`, numbers, logrotate's dates, kube-log-runner's and lumberjack's stamps before the
//! extension, klog's names. Nothing is looked up in a file system.

use std::cmp::Reverse;

/// A file among the rotations of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Name of the log itself: equal for all its rotations in a folder.
    pub base: String,
    /// Sorts the files of a folder: oldest first.
    pub order: Order,
    /// How it is packed.
    pub packing: Packing,
}

/// A file's place, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// The restart count of a container's file, 0 for others: restart 10 comes after 9.
    pub restart: u64,
    /// Its age among the rotations.
    pub age: Age,
}

/// How old a rotation is, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// The higher the number, the older.
    Numbered(Reverse<u32>),
    /// Digits of a date and time, of whatever precision: comparable among the rotations of one log.
    Stamped(u64),
    /// The file that is being written.
    Current,
}

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// `.bz2`, `.xz`, `.lz4`
    Other,
    /// kubelet's `.tmp`: being packed, a part of what its twin without `.tmp` holds.
    Unfinished,
}

/// Sorts a file's name into its family.
pub fn family(file_name: &str) -> Family {
    let (name, packing) = unpacked(file_name);
    let (base, age) = klog_age(name).unwrap_or_else(|| {
        let (front, back, age) = split(name);
        (format!("{front}{back}"), age)
    });
    let restart = base.strip_suffix(".log").and_then(|stem| stem.parse().ok()).unwrap_or(0);
    Family { base, order: Order { restart, age }, packing }
}

/// The name before what a rotation has put after it; a stamp before the extension stays.
pub(crate) fn base(file_name: &str) -> &str {
    let (name, _) = unpacked(file_name);
    behind(name).map_or(name, |(base, _)| base)
}

/// A file that klog has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KlogFile<'a> {
    /// `<program>.<host>.<user>`: equal for the files of all severities.
    pub writer: &'a str,
    /// `INFO`, `WARNING`, `ERROR`, `FATAL`; a file holds this and all above.
    pub severity: &'a str,
    /// When it was opened, by the local clock.
    pub year: i32,
    /// 1–12
    pub month: u8,
    /// 1–31
    pub day: u8,
    /// hhmmss as a number.
    pub clock: u32,
    /// Process id.
    pub pid: u64,
}

/// klog = program "." host "." user ".log." severity "." YYYYMMDD "-" hhmmss "." pid
/// <https://github.com/kubernetes/klog/blob/v2.140.0/klog_file.go>
pub fn klog_file(file_name: &str) -> Option<KlogFile<'_>> {
    let (name, _) = unpacked(file_name);
    let mut parts = name.rsplitn(4, '.');
    let (pid, stamp, severity, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let writer = rest.strip_suffix(".log")?;
    if !matches!(severity, "INFO" | "WARNING" | "ERROR" | "FATAL") || writer.is_empty() || !is_digits(pid) {
        return None;
    }
    let (date, clock) = stamp.split_once('-').filter(|(date, clock)| is_date(date) && is_clock(clock))?;
    Some(KlogFile {
        writer,
        severity,
        year: date[..4].parse().ok()?,
        month: date[4..6].parse().ok()?,
        day: date[6..].parse().ok()?,
        clock: clock.parse().ok()?,
        pid: pid.parse().ok()?,
    })
}

fn klog_age(name: &str) -> Option<(String, Age)> {
    let file = klog_file(name)?;
    let date = i64::from(file.year) * 10_000 + i64::from(file.month) * 100 + i64::from(file.day);
    let stamp = u64::try_from(date).ok()? * 1_000_000 + u64::from(file.clock);
    Some((format!("{}.log.{}", file.writer, file.severity), Age::Stamped(stamp)))
}

fn unpacked(name: &str) -> (&str, Packing) {
    for (end, packing) in [
        (".gz", Packing::Gzip),
        (".zst", Packing::Zstd),
        (".tmp", Packing::Unfinished),
        (".bz2", Packing::Other),
        (".xz", Packing::Other),
        (".lz4", Packing::Other),
    ] {
        if let Some(rest) = name.strip_suffix(end).filter(|rest| !rest.is_empty()) {
            return (rest, packing);
        }
    }
    (name, Packing::Plain)
}

/// The base in two parts, between which the stamp stood.
fn split(name: &str) -> (&str, &str, Age) {
    if let Some((base, age)) = behind(name) {
        return (base, "", age);
    }
    if let Some((front, back, age)) = before_extension(name) {
        return (front, back, age);
    }
    (name, "", Age::Current)
}

/// What stands behind the name of a container's file is a rotation of it, whoever made that.
fn behind(name: &str) -> Option<(&str, Age)> {
    behind_any(name).or_else(|| behind_container(name))
}

/// rotated = 1*DIGIT ".log." 1*OCTET
fn behind_container(name: &str) -> Option<(&str, Age)> {
    let restart = name.bytes().take_while(u8::is_ascii_digit).count();
    let rotated = name[restart..].strip_prefix(".log.").filter(|rest| restart > 0 && !rest.is_empty())?;
    let digits: String = rotated.chars().filter(char::is_ascii_digit).take(18).collect();
    Some((&name[..restart + ".log".len()], Age::Stamped(digits.parse().unwrap_or(0))))
}

/// rotated = base "." ( YYYYMMDD [ "-" hhmmss ] / number ) / base "-" ( YYYYMMDD [ "-" hhmmss ] / YYYYMMDDhh / seconds )
/// number = 1*4DIGIT
fn behind_any(name: &str) -> Option<(&str, Age)> {
    let tail = name.len() - name.bytes().rev().take_while(|byte| byte.is_ascii_digit() || *byte == b'-').count();
    // A base may itself end in digits and dashes: the longest tail that is a stamp counts.
    if let Some(base) = name[..tail].strip_suffix('.').filter(|base| !base.is_empty()) {
        return match &name[tail..] {
            stamp if let Some(stamp) = stamp_of(stamp) => Some((base, Age::Stamped(stamp))),
            number if matches!(number.len(), 1..=4) && is_digits(number) => {
                Some((base, Age::Numbered(Reverse(number.parse().ok()?))))
            }
            _ => None,
        };
    }
    let stamp = name[tail..].strip_prefix('-').filter(|_| tail > 0)?;
    let age = match (stamp_of(stamp), stamp.len()) {
        (Some(stamp), _) => stamp,
        // logrotate's `dateext` with hours, or with seconds since 1970
        (None, 10) if is_digits(stamp) => stamp.parse().ok()?,
        _ => return None,
    };
    Some((&name[..tail], Age::Stamped(age)))
}

/// kube-log-runner = front "-" YYYYMMDD "-" hhmmss [ extension ]
/// lumberjack = front "-" YYYY "-" MM "-" DD "T" hh "-" mm "-" ss "." mmm extension ; audit.log, for one
fn before_extension(name: &str) -> Option<(&str, &str, Age)> {
    const LUMBERJACK: &str = "-0000-00-00T00-00-00.000";
    const LOG_RUNNER: &str = "-00000000-000000";
    let like = |text: &str, pattern: &str| {
        text.bytes()
            .zip(pattern.bytes())
            .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
    };
    for pattern in [LUMBERJACK, LOG_RUNNER] {
        // The extension is the last dot's, or none.
        let end = name.rfind('.').filter(|&dot| !name[dot + 1..].bytes().all(|byte| byte.is_ascii_digit()));
        let end = end.unwrap_or(name.len());
        let Some(start) = end.checked_sub(pattern.len()).filter(|&start| start > 0) else { continue };
        let Some(stamp) = name.get(start..end).filter(|text| like(text, pattern)) else { continue };
        let digits: String = stamp.chars().filter(char::is_ascii_digit).collect();
        if is_date(&digits[..8]) && is_clock(&digits[8..14]) {
            return Some((&name[..start], &name[end..], Age::Stamped(digits.parse().ok()?)));
        }
    }
    None
}

/// YYYYMMDD [ "-" hhmmss ], as a number of 14 digits
fn stamp_of(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once('-').unwrap_or((text, "000000"));
    (is_date(date) && is_clock(clock)).then(|| format!("{date}{clock}").parse().ok())?
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_date(text: &str) -> bool {
    text.len() == 8
        && is_digits(text)
        && matches!(&text[..2], "19" | "20" | "21")
        && ("01"..="12").contains(&&text[4..6])
        && ("01"..="31").contains(&&text[6..])
}

fn is_clock(text: &str) -> bool {
    text.len() == 6 && is_digits(text) && text[..2] < *"24" && text[2..4] < *"60" && text[4..] <= *"60"
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(sorted: &[&str], base: &str) {
        for pair in sorted.windows(2) {
            let [older, newer] = [family(pair[0]), family(pair[1])];
            assert!(older.order < newer.order, "{} before {}", pair[0], pair[1]);
        }
        for name in sorted {
            assert_eq!(family(name).base, base, "{name}");
        }
    }

    #[test]
    fn sorts_each_family_oldest_first() {
        check(&["0.log.20261123-091549.gz", "0.log.20261123-091550.gz", "0.log.20261124-000000", "0.log"], "0.log");
        check(&["x.log.10.gz", "x.log.9.gz", "x.log.2.gz", "x.log.1", "x.log"], "x.log");
        check(&["syslog.3.gz", "syslog.1", "syslog"], "syslog");
        check(&["0.log.old", "0.log.20261123-091549", "0.log.20261123-091561.gz", "0.log"], "0.log");
        check(&["messages-20251231.gz", "messages-20261123", "messages"], "messages");
        check(&["x.log-20261123", "x.log-20261123-101112", "x.log"], "x.log");
        check(&["x.log-2026112309.gz", "x.log-2026112310", "x.log"], "x.log");
        check(&["x.log-1795421836", "x.log-1795421937", "x.log"], "x.log");
        check(&["api-20261123-091549.log", "api-20261123-101549.log.gz", "api.log"], "api.log");
        check(&["api-20261123-091549", "api-20261123-101549", "api"], "api");
        check(&["audit-2026-11-23T09-14-51.123.log", "audit-2026-11-23T09-14-51.124.log.gz", "audit.log"], "audit.log");
        check(
            &["kubelet.n1.root.log.INFO.20251231-235959.77", "kubelet.n1.root.log.INFO.20260101-000001.4"],
            "kubelet.n1.root.log.INFO",
        );
        check(&["kubelet.INFO"], "kubelet.INFO");
        check(&["app-12-34"], "app-12-34");
        check(&["app-1.log"], "app-1.log");
        check(&["x.log.12345", "x.log.12345"][..1], "x.log.12345");
    }

    #[test]
    fn restarts_count_as_numbers() {
        let mut names = ["10.log", "9.log", "10.log.20261123-091549", "0.log", "9.log.20261123-091549.gz"];
        names.sort_by_key(|name| family(name).order);
        assert_eq!(names, ["0.log", "9.log.20261123-091549.gz", "9.log", "10.log.20261123-091549", "10.log"]);
        assert_eq!(family("0.log.20261123-091549.tmp").packing, Packing::Unfinished);
        assert_eq!(family("0.log.20261123-091549.gz").packing, Packing::Gzip);
    }

    #[test]
    fn klog_names_carry_the_year() {
        let file = klog_file("kube.proxy.node-1.root.log.WARNING.20261123-091451.21206").unwrap();
        assert_eq!((file.writer, file.severity), ("kube.proxy.node-1.root", "WARNING"));
        assert_eq!((file.year, file.month, file.day, file.clock, file.pid), (2026, 11, 23, 91451, 21206));
        for bad in ["kubelet.INFO", "a.b.c.log.INFO.20261323-091451.1", "a.b.c.log.DEBUG.20261123-091451.1", "x", ""] {
            assert_eq!(klog_file(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(name in any::<String>(), close in "[a-zé0-9T.-]{0,40}(\\.log)?[0-9.-]{0,20}(\\.gz)?") {
            for name in [name, close] {
                let _ = (family(&name), klog_file(&name), base(&name));
            }
        }
    }
}
