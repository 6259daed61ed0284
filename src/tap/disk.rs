//! The files of one destination in the state folder, on a thread of its own: a slow or full disk holds up nobody else.
//!
//! In go requests and numbers of files, out come outcomes. Which file something goes to is decided in [`queue`](super::queue).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::item::Item;
use super::spill_record::{End, MAGIC, record, requests};
use crate::checkpoint::folder::{Folder, FolderError};
use crate::otlp::Protocol;

/// A file is at most so much longer than files are meant to be: one request.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Names are this, and a number in hex.
const NAME: &str = "requests-";

/// What is to be done.
#[derive(Debug)]
pub(super) enum Order {
    /// Write a request at the end of a file.
    Append(u64, Arc<Item>, oneshot::Sender<io::Result<()>>),
    /// Read all requests of a file.
    Read(u64, oneshot::Sender<ReadFile>),
    /// All requests of a file are settled.
    Remove(u64),
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct ReadFile {
    pub(super) items: Vec<Item>,
    /// What was wrong, for the user.
    pub(super) note: Option<String>,
}

/// The thread with the files.
#[derive(Debug)]
pub(super) struct Disk {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Disk {
    /// Opens the folder, making it if it is not there; returns numbers and bytes of the files in it, in order.
    pub(super) fn open(path: &Path, about: &str, protocol: Protocol) -> Result<(Disk, Vec<(u64, u64)>), FolderError> {
        let folder = Folder::open(path)?;
        // For people: which destination it is of.
        let told = folder.replace("destination", |file| file.write_all(about.as_bytes()));
        told.map_err(|error| folder.failed("destination", error))?;
        let found = files(path).map_err(|error| folder.failed("", error))?;
        let (orders, taken) = channel();
        let files = Files { folder, protocol, open: None };
        let spawned = std::thread::Builder::new().name("spill".into()).spawn(move || files.run(&taken));
        let thread = spawned.map_err(|source| FolderError::Io { path: path.to_owned(), source })?;
        Ok((Disk { orders, thread }, found))
    }

    pub(super) fn order(&self, order: Order) {
        // Who waits for an outcome learns from its channel that the thread is gone.
        let _ = self.orders.send(order);
    }

    /// Waits until all is done that was ordered.
    pub(super) fn end(self) {
        drop(self.orders);
        let _ = self.thread.join();
    }
}

/// Numbers and bytes of the files in a folder, in order.
pub(super) fn files(folder: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NAME)).filter(|number| number.len() == 16);
        if let Some(number) = number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
            found.push((number, entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

struct Files {
    folder: Folder,
    protocol: Protocol,
    /// The file that is appended to.
    open: Option<OpenFile>,
}

struct OpenFile {
    number: u64,
    file: File,
    bytes: u64,
}

impl Files {
    fn run(mut self, orders: &Receiver<Order>) {
        for order in orders {
            match order {
                Order::Append(number, item, done) => {
                    let outcome = self.append(number, &item);
                    let _ = done.send(outcome);
                }
                Order::Read(number, done) => {
                    let read = self.read(number);
                    let _ = done.send(read);
                }
                // One that stays comes again after the next start.
                Order::Remove(number) => drop(std::fs::remove_file(self.folder.path(&name(number)))),
            }
        }
        self.close();
    }

    fn append(&mut self, number: u64, item: &Item) -> io::Result<()> {
        let Some(record) = record(item, self.protocol) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the request has no form for the destination"));
        };
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            self.close();
            self.open = Some(self.create(number)?);
        }
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        let written = open.file.write_all(&record);
        match written {
            Ok(()) => open.bytes += record.len() as u64,
            // What follows a part of a record could not be read.
            Err(_) if open.file.set_len(open.bytes).is_err() => self.open = None,
            Err(_) => {}
        }
        written
    }

    /// An append may come again to a file that could not be written before.
    fn create(&self, number: u64) -> io::Result<OpenFile> {
        let path = self.folder.path(&name(number));
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let mut bytes = file.metadata()?.len();
        if bytes < MAGIC.len() as u64 {
            file.set_len(0)?;
            file.write_all(MAGIC)?;
            bytes = MAGIC.len() as u64;
        }
        Ok(OpenFile { number, file, bytes })
    }

    /// Sees to it that a file survives a power failure, once it is whole.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            // What could not be made sure of is there all the same, as long as the machine is.
            let _ = open.file.sync_data();
        }
    }

    fn read(&mut self, number: u64) -> ReadFile {
        if self.open.as_ref().is_some_and(|open| open.number == number) {
            self.open = None;
        }
        let (name, path) = (name(number), self.folder.path(&name(number)));
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        if let Err(error) = read {
            // Nothing was written to it.
            if error.kind() == io::ErrorKind::NotFound {
                return ReadFile::default();
            }
            let note = format!("{}: {error}; the spans in it are not sent", path.display());
            return ReadFile { items: Vec::new(), note: Some(note) };
        }
        let (items, end) = requests(bytes.into());
        let note = match end {
            End::Whole => None,
            End::Cut => Some(format!("{}: its last request was cut, and is left out", path.display())),
            End::Damaged => Some(match self.folder.set_aside(&name) {
                Ok(aside) => format!(
                    "{}: damaged; what can be read is sent, it is set aside as {}",
                    path.display(),
                    aside.display()
                ),
                Err(error) => format!("{}: damaged; what can be read is sent ({error})", path.display()),
            }),
        };
        ReadFile { items, note }
    }
}

fn name(number: u64) -> String {
    format!("{NAME}{number:016x}")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;
    use crate::otlp::{Compression, Content, Signal};
    use crate::tap::item::Form;

    fn item(body: &str) -> Arc<Item> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let form = Form { content: Content::Protobuf, compression: Compression::None, body };
        Arc::new(Item::held(Signal::Traces, 1, HeaderMap::new(), form, None))
    }

    fn append(disk: &Disk, number: u64, body: &str) {
        let (done, outcome) = oneshot::channel();
        disk.order(Order::Append(number, item(body), done));
        outcome.blocking_recv().unwrap().unwrap();
    }

    fn read(disk: &Disk, number: u64) -> (Vec<String>, Option<String>) {
        let (done, outcome) = oneshot::channel();
        disk.order(Order::Read(number, done));
        let read = outcome.blocking_recv().unwrap();
        let body = |item: &Item| String::from_utf8(item.form(Protocol::Grpc).unwrap().body.to_vec()).unwrap();
        (read.items.iter().map(body).collect(), read.note)
    }

    fn open(path: &Path) -> (Disk, Vec<(u64, u64)>) {
        Disk::open(path, "otlp=http://c:4317", Protocol::Grpc).unwrap()
    }

    #[test]
    fn what_was_appended_is_read_also_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, found) = open(folder.path());
        assert_eq!(found, []);
        append(&disk, 3, "a");
        append(&disk, 3, "b");
        append(&disk, 4, "c");
        assert_eq!(read(&disk, 3), (vec!["a".to_owned(), "b".to_owned()], None));
        disk.order(Order::Remove(3));
        disk.end();
        let (disk, found) = open(folder.path());
        assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [4]);
        assert_eq!(read(&disk, 4), (vec!["c".to_owned()], None));
        assert_eq!(read(&disk, 5), (Vec::new(), None));
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_a_cut_one_is_read_as_far_as_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, _) = open(folder.path());
        append(&disk, 0, "first");
        append(&disk, 0, "second");
        append(&disk, 1, "other");
        disk.end();
        let path = |number| folder.path().join(name(number));
        let mut bytes = std::fs::read(path(0)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path(0), bytes).unwrap();
        let bytes = std::fs::read(path(1)).unwrap();
        std::fs::write(path(1), &bytes[..bytes.len() - 1]).unwrap();
        let (disk, found) = open(folder.path());
        assert_eq!(found.len(), 2);
        let (items, note) = read(&disk, 0);
        assert!(items == ["first"] && note.unwrap().contains("set aside as "));
        assert!(folder.path().join(format!("{}.damaged", name(0))).exists() && !path(0).exists());
        let (items, note) = read(&disk, 1);
        assert!(items.is_empty() && note.unwrap().contains("was cut"));
    }
}
