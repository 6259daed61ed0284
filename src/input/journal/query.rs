//! Which entries of journals are wanted.
//!
//! In go matches as they are typed, in `journalctl`'s terms, out comes what an entry is held against: values of one key are
//! alternatives, several keys must all be met, and what is excluded goes over both. How entries are found is not decided here.

use spanline_parsers::journal_frames as frames;

/// How much earlier or later journald may have received an entry than its line says that it was written, ns: an hour. It is
/// usually less than a millisecond, but that goes by two clocks, and lines tell of what was before.
const AROUND_NANOS: i64 = 3_600_000_000_000;

/// Which entries are wanted; without anything said, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalQuery {
    wanted: Vec<Group>,
    unwanted: Vec<AllOf>,
    /// Starts of the machine by their places: 0 the last one, -1 the one before; 1 the first one.
    boots: Vec<i64>,
    /// Only entries received from this time on, µs since the epoch.
    pub(super) since_usec: Option<u64>,
    /// Only entries received up to this time, µs since the epoch.
    pub(super) until_usec: Option<u64>,
}

/// The alternatives of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    key: String,
    any: Vec<AllOf>,
}

/// Fields with their values, as `NAME=value`, all of which an entry has.
pub(super) type AllOf = Vec<Vec<u8>>;

/// Why a match is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// There is no `=` in it.
    #[error("needs KEY=VALUE: unit, identifier, priority, boot, or the name of a field, such as _PID")]
    NoValue,
    /// The key is neither known nor the name of a field.
    #[error("{0} is no key: unit, identifier, priority, boot, or the name of a field in capitals")]
    Key(String),
    /// No priority.
    #[error("{0} is no priority: emerg, alert, crit, err, warning, notice, info, debug, 0 to 7, or FROM..TO")]
    Priority(String),
    /// No start of the machine.
    #[error("{0} tells no boot: its id, 0 for the last one, -1 for the one before, or 1 for the first one")]
    Boot(String),
    /// A pattern where one value is needed.
    #[error("{0} is a pattern: name each unit, or give a field its value")]
    Pattern(String),
    /// Which boot is excluded must be said by its id.
    #[error("a boot is excluded by its id")]
    ExcludedBoot,
}

/// A boot that entries of a file have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boot {
    /// When its first entry came, µs since the epoch.
    pub first_usec: u64,
    /// Its id.
    pub id: [u8; 16],
}

impl JournalQuery {
    /// Adds a match.
    ///
    /// match = [ "!" ] ( "unit" / "identifier" / "priority" / "boot" / FIELD ) "=" value
    pub fn add(&mut self, text: &str) -> Result<(), MatchError> {
        let (text, is_excluded) = text.strip_prefix('!').map_or((text, false), |rest| (rest, true));
        let (key, value) = text.split_once('=').ok_or(MatchError::NoValue)?;
        let any = match key {
            "unit" => of_unit(value)?,
            "identifier" => vec![vec![term("SYSLOG_IDENTIFIER", value)]],
            "priority" => of_priority(value)?,
            "boot" => match boot_id(value) {
                Some(id) => vec![vec![term("_BOOT_ID", &id)]],
                None if is_excluded => return Err(MatchError::ExcludedBoot),
                None => {
                    self.boots.push(value.parse().map_err(|_| MatchError::Boot(value.to_owned()))?);
                    Vec::new()
                }
            },
            field if is_field(field) => vec![vec![term(field, value)]],
            other => return Err(MatchError::Key(other.to_owned())),
        };
        if is_excluded {
            self.unwanted.extend(any);
            return Ok(());
        }
        match self.wanted.iter_mut().find(|group| group.key == key) {
            Some(group) => group.any.extend(any),
            None => self.wanted.push(Group { key: key.to_owned(), any }),
        }
        Ok(())
    }

    /// Adds entries of a program: of the unit of this name, and of what calls itself so. Of several, any.
    pub fn add_program(&mut self, name: &str) -> Result<(), MatchError> {
        let mut any = of_unit(name)?;
        any.extend(["SYSLOG_IDENTIFIER", "_COMM"].map(|field| vec![term(field, name)]));
        match self.wanted.iter_mut().find(|group| group.key == "program") {
            Some(group) => group.any.extend(any),
            None => self.wanted.push(Group { key: "program".to_owned(), any }),
        }
        Ok(())
    }

    /// Leaves out entries that came long before or after lines of these times can have been written, ns since the epoch.
    pub fn set_window(&mut self, since: Option<i64>, until: Option<i64>) {
        let usec = |nanos: i64| u64::try_from(nanos.div_euclid(1000)).unwrap_or_default();
        self.since_usec = since.map(|since| usec(since.saturating_sub(AROUND_NANOS)));
        self.until_usec = until.map(|until| usec(until.saturating_add(AROUND_NANOS)));
    }

    /// Whether boots are told by their places, which only those of all files tell.
    pub fn needs_boots(&self) -> bool {
        !self.boots.is_empty()
    }

    /// With the ids of those boots. `all`: those of all files, in any order, each as often as files have it.
    pub fn with_boots(mut self, all: &[Boot]) -> JournalQuery {
        let mut known: Vec<Boot> = all.to_vec();
        known.sort();
        let mut order: Vec<[u8; 16]> = Vec::new();
        for boot in known {
            if !order.contains(&boot.id) {
                order.push(boot.id);
            }
        }
        for place in std::mem::take(&mut self.boots) {
            let count = order.len() as i64;
            let index = if place > 0 { place - 1 } else { count - 1 + place };
            let id = usize::try_from(index).ok().and_then(|index| order.get(index));
            // One that is not there has no entries.
            let id = id.map_or("none".to_owned(), |id| format!("{:032x}", u128::from_be_bytes(*id)));
            if let Some(group) = self.wanted.iter_mut().find(|group| group.key == "boot") {
                group.any.push(vec![term("_BOOT_ID", &id)]);
            }
        }
        self
    }

    /// Whether every entry is wanted that came at a wanted time.
    pub fn wants_all(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// Fields of which a wanted entry has at least one of each list.
    pub(super) fn needed(&self) -> impl Iterator<Item = &[AllOf]> {
        self.wanted.iter().map(|group| &*group.any)
    }

    /// Whether the entry of a frame is wanted, whenever it came.
    pub fn matches(&self, frame: &[u8]) -> bool {
        let has = |term: &Vec<u8>| frames::fields(frame).any(|(payload, _)| payload == &**term);
        let meets = |all: &AllOf| all.iter().all(has);
        self.wanted.iter().all(|group| group.any.iter().any(meets)) && !self.unwanted.iter().any(meets)
    }

    /// What decides which entries a file has, for whoever remembers what was read of it.
    pub fn text(&self) -> String {
        if *self == JournalQuery::default() { String::new() } else { format!("{self:?}") }
    }
}

fn term(name: &str, value: &str) -> Vec<u8> {
    [name.as_bytes(), b"=", value.as_bytes()].concat()
}

/// name = ( UPPER / "_" ) *( UPPER / DIGIT / "_" )
fn is_field(name: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(is_of_name) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

const UNITS: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// What a unit wrote, and what was written about it by systemd, by other daemons and by the handler of core dumps.
/// <https://github.com/systemd/systemd/blob/v257/src/shared/logs-show.c> `add_matches_for_unit`
fn of_unit(value: &str) -> Result<Vec<AllOf>, MatchError> {
    if value.contains(['*', '?', '[']) {
        return Err(MatchError::Pattern(value.to_owned()));
    }
    let is_whole = UNITS.iter().any(|end| value.ends_with(end));
    let unit = if is_whole { value.to_owned() } else { format!("{value}.service") };
    let core_dump = term("MESSAGE_ID", "fc2e22bc6ee647b6b90729ab34a250b1");
    let mut any = vec![
        vec![term("_SYSTEMD_UNIT", &unit)],
        vec![core_dump, term("_UID", "0"), term("COREDUMP_UNIT", &unit)],
        vec![term("_PID", "1"), term("UNIT", &unit)],
        vec![term("_UID", "0"), term("OBJECT_SYSTEMD_UNIT", &unit)],
    ];
    if unit.ends_with(".slice") {
        any.push(vec![term("_SYSTEMD_SLICE", &unit)]);
    }
    Ok(any)
}

const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// One stands for itself and all that are more urgent.
fn of_priority(text: &str) -> Result<Vec<AllOf>, MatchError> {
    let wrong = || MatchError::Priority(text.to_owned());
    let number = |text: &str| {
        let named = PRIORITIES.iter().position(|name| *name == text);
        named.or_else(|| text.parse().ok().filter(|number| *number < PRIORITIES.len())).ok_or_else(wrong)
    };
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (number(from)?, number(to)?),
        None => (0, number(text)?),
    };
    Ok((from.min(to)..=from.max(to)).map(|number| vec![term("PRIORITY", &number.to_string())]).collect())
}

/// id = 32HEXDIG, with or without the dashes of a UUID
fn boot_id(text: &str) -> Option<String> {
    let id = text.replace('-', "").to_ascii_lowercase();
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spanline_parsers::journal::Place;

    fn frame(fields: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        frames::begin(&Place::default(), &mut out);
        fields.iter().for_each(|field| frames::field(field.as_bytes(), field.find('=').unwrap() + 1, &mut out));
        frames::end(0, &mut out);
        out
    }

    fn check(matches: &[&str], fields: &[&str], expected: bool) {
        let mut query = JournalQuery::default();
        matches.iter().for_each(|text| query.add(text).unwrap());
        assert_eq!(query.matches(&frame(fields)), expected, "{matches:?} {fields:?}");
    }

    #[test]
    fn values_of_a_key_are_alternatives_and_all_keys_must_be_met() {
        let kubelet = ["_SYSTEMD_UNIT=kubelet.service", "PRIORITY=4", "_PID=7"];
        check(&[], &kubelet, true);
        check(&["unit=kubelet"], &kubelet, true);
        check(&["unit=kubelet.service", "unit=crio"], &kubelet, true);
        check(&["unit=crio"], &kubelet, false);
        check(&["unit=kubelet", "_PID=7"], &kubelet, true);
        check(&["unit=kubelet", "_PID=8"], &kubelet, false);
        check(&["unit=kubelet", "!_PID=7"], &kubelet, false);
        check(&["priority=warning"], &kubelet, true);
        check(&["priority=3"], &kubelet, false);
        check(&["priority=notice..4"], &kubelet, true);
        check(&["identifier=kubelet"], &kubelet, false);
        check(&["unit=kubelet"], &["_PID=1", "UNIT=kubelet.service"], true);
        check(&["unit=kubelet"], &["_PID=2", "UNIT=kubelet.service"], false);
        check(&["unit=a.slice"], &["_SYSTEMD_SLICE=a.slice"], true);
        check(&["MESSAGE=a=b"], &["MESSAGE=a=b"], true);
    }

    #[test]
    fn a_program_is_known_by_its_unit_and_by_what_it_calls_itself() {
        let mut query = JournalQuery::default();
        query.add_program("conmonrs").unwrap();
        query.add_program("crio").unwrap();
        for (field, expected) in [
            ("_COMM=conmonrs", true),
            ("SYSLOG_IDENTIFIER=crio", true),
            ("_SYSTEMD_UNIT=crio.service", true),
            ("_COMM=sshd", false),
        ] {
            assert_eq!(query.matches(&frame(&[field])), expected, "{field}");
        }
        assert!(query.add_program("k*").is_err());
    }

    #[test]
    fn a_match_that_is_none_is_said() {
        let add = |text: &str| JournalQuery::default().add(text).unwrap_err();
        assert_eq!(add("kubelet"), MatchError::NoValue);
        assert_eq!(add("pid=1"), MatchError::Key("pid".into()));
        assert_eq!(add("9X=1"), MatchError::Key("9X".into()));
        assert_eq!(add("priority=8"), MatchError::Priority("8".into()));
        assert_eq!(add("priority=loud"), MatchError::Priority("loud".into()));
        assert_eq!(add("boot=last"), MatchError::Boot("last".into()));
        assert_eq!(add("!boot=0"), MatchError::ExcludedBoot);
        assert_eq!(add("unit=kube*"), MatchError::Pattern("kube*".into()));
    }

    #[test]
    fn boots_are_told_by_their_places() {
        let boot = |first_usec, byte| Boot { first_usec, id: [byte; 16] };
        let all = [boot(30, 3), boot(10, 1), boot(20, 2), boot(25, 1)];
        for (place, byte) in [(0, 3), (-1, 2), (-2, 1), (1, 1), (3, 3)] {
            let mut query = JournalQuery::default();
            query.add(&format!("boot={place}")).unwrap();
            assert!(query.needs_boots());
            let query = query.with_boots(&all);
            for other in 1..4_u8 {
                let field = format!("_BOOT_ID={}", format!("{other:02x}").repeat(16));
                assert_eq!(query.matches(&frame(&[&field])), other == byte, "{place} {other}");
            }
        }
        let mut query = JournalQuery::default();
        query.add("boot=-9").unwrap();
        assert!(!query.with_boots(&all).matches(&frame(&["_BOOT_ID=x"])));
        check(&["boot=AB34567812345678-1234567812345678"], &["_BOOT_ID=ab345678123456781234567812345678"], true);
    }
}
