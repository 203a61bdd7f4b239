//! Where rows go: a table or JSON lines on standard output, files of several kinds.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use anyhow::Context;

use super::row::Row;
use super::{hdr, html, table};
use crate::cli::OutputOptions;
use crate::machine::Machine;
use crate::record::outcome::Interval;

/// Everything that was asked for.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    options: &'a OutputOptions,
    hdr: Option<hdr::Log<BufWriter<File>>>,
    save: Option<File>,
}

impl<'a> Output<'a> {
    /// Opens the files, so that a path that cannot be written is told before any load.
    ///
    /// # Errors
    /// Which file cannot be written.
    pub(crate) fn new(options: &'a OutputOptions) -> anyhow::Result<Self> {
        let create = |path: &std::path::PathBuf| {
            File::create(path).with_context(|| format!("cannot write {}", path.display()))
        };
        if let Some(path) = &options.report {
            create(path)?;
        }
        let hdr = options.hdr.as_ref().map(create).transpose()?;
        Ok(Self {
            options,
            hdr: hdr.map(|file| hdr::Log::new(BufWriter::new(file))).transpose()?,
            save: options.save.as_ref().map(create).transpose()?,
        })
    }

    /// Says where the figures come from: above the tables, or beside the objects.
    pub(crate) fn introduce(&self, machine: &Machine, lines: &[String]) {
        let mut all = vec![machine.to_string()];
        all.extend(lines.iter().cloned());
        for line in all {
            if self.options.json { eprintln!("{line}") } else { println!("{line}") }
        }
    }

    /// Something that is no row.
    pub(crate) fn remark(&self, remark: &str) {
        if self.options.json { eprintln!("{remark}") } else { println!("{remark}") }
    }

    /// Prints a row and writes it to the files that take rows one by one; `timed` says what its percentiles are of.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn row(&mut self, row: &Row, timed: &str, intervals: &[Interval]) -> anyhow::Result<()> {
        let json = serde_json::to_string(row)?;
        if self.options.json {
            println!("{json}");
        } else {
            println!("\n{}", table::one(row, timed));
        }
        self.file(row, &json, intervals)
    }

    /// The same without printing it, for rows that are printed together.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn file(&mut self, row: &Row, json: &str, intervals: &[Interval]) -> anyhow::Result<()> {
        if let Some(file) = &mut self.save {
            writeln!(file, "{json}")?;
        }
        if let Some(log) = &mut self.hdr {
            log.row(row, intervals)?;
        }
        io::stdout().flush()?;
        Ok(())
    }

    /// Prints a table of all rows, and writes what is written of them together.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn finish(self, rows: &[Row]) -> anyhow::Result<()> {
        if !self.options.json && rows.len() > 1 {
            println!("\n{}", table::all(rows));
        }
        self.finish_silently(rows)
    }

    /// The same without the table.
    ///
    /// # Errors
    /// What could not be written.
    pub(crate) fn finish_silently(self, rows: &[Row]) -> anyhow::Result<()> {
        if let Some(path) = &self.options.report {
            let title = format!("loadgen: {}", rows.first().map_or("nothing", |row| &row.scenario));
            std::fs::write(path, html::page(&title, rows))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        if let Some(log) = self.hdr {
            log.finish()?;
        }
        Ok(())
    }
}
