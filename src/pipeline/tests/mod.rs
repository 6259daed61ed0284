//! The stages together: what runs over changing files, and traces that were sent before, send.

mod carriers;
mod resume;
mod trace_files;
