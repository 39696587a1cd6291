//! A terminal: keys are typed at one end, and what is written at the other stands on its screen.

use std::fs::File;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// All that was written to a terminal so far.
pub(crate) type Screen = Arc<Mutex<String>>;

/// Opens a terminal. Returns the user's end and the program's.
pub(crate) fn open() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let name = name.to_str().unwrap();
    let end = File::options().read(true).write(true).open(name).unwrap();
    (File::from(master), end)
}

/// Reads the user's end on a thread, which ends when no program holds the other end.
pub(crate) fn watch(users: &File) -> (Screen, JoinHandle<()>) {
    let mut reading = users.try_clone().unwrap();
    let screen = Screen::default();
    let shown = Arc::clone(&screen);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = reading.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            shown.lock().unwrap().push_str(&text);
        }
    });
    (screen, reader)
}
