//! The two views of a frame: one line, and all of its layers.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::ops::Range;

use super::cursor::Cursor;
use super::{Field, Visitor, ethernet, visit};

/// A frame, shown in one line without an end: what its layers say, from above Ethernet up.
///
/// The addresses of Ethernet are shown only if nothing above is understood.
#[derive(Clone, Copy)]
pub struct Summary<'a>(pub &'a [u8]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line { out: f, layers: 0, gap: false, empty: true, result: Ok(()) };
        visit(self.0, &mut line);
        if line.empty {
            line.layers = 1;
            // What is wrong with it has been told.
            let _ = ethernet::decode(&mut Cursor::new(self.0, &mut line));
        }
        line.result
    }
}

struct Line<'f, 'g> {
    out: &'f mut fmt::Formatter<'g>,
    layers: usize,
    /// Another layer has begun, and nothing was said of it yet.
    gap: bool,
    empty: bool,
    result: fmt::Result,
}

impl Line<'_, '_> {
    fn write(&mut self, text: fmt::Arguments<'_>) {
        let gap = if self.gap && !self.empty { " " } else { "" };
        self.gap = false;
        self.empty = false;
        self.result = self.result.and_then(|()| self.out.write_str(gap)).and_then(|()| self.out.write_fmt(text));
    }
}

impl<'a> Visitor<'a> for Line<'_, '_> {
    fn layer(&mut self, _name: &'static str, _at: usize) {
        self.layers += 1;
        self.gap = true;
    }

    fn field(&mut self, _field: Field<'a>) {}

    fn summary(&mut self, text: fmt::Arguments<'_>) {
        if self.layers > 1 {
            self.write(text);
        }
    }

    fn problem(&mut self, what: &'static str) {
        self.gap = true;
        self.write(format_args!("({what})"));
    }
}

/// A layer of a frame: a header, payload, or padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer<'a> {
    /// The protocol's name, or "Payload", or "Padding".
    pub name: &'static str,
    /// Which bytes of the frame it is: from the end of the layer before to the beginning of the next.
    pub range: Range<usize>,
    /// A few words on what it is there for.
    pub summary: String,
    /// What is wrong with it, if anything is.
    pub problem: Option<&'static str>,
    /// Its fields, in the order of their bytes.
    pub fields: Vec<Field<'a>>,
}

/// The layers of a frame, the outermost first. They cover it without a gap; an empty one has one layer, with a problem.
pub fn layers(frame: &[u8]) -> Vec<Layer<'_>> {
    let mut collector = Collector { layers: Vec::new() };
    visit(frame, &mut collector);
    collector.end(frame.len());
    collector.layers
}

struct Collector<'a> {
    layers: Vec<Layer<'a>>,
}

impl Collector<'_> {
    fn end(&mut self, at: usize) {
        if let Some(layer) = self.layers.last_mut() {
            layer.range.end = at;
        }
    }
}

impl<'a> Visitor<'a> for Collector<'a> {
    fn layer(&mut self, name: &'static str, at: usize) {
        self.end(at);
        self.layers.push(Layer { name, range: at..at, summary: String::new(), problem: None, fields: Vec::new() });
    }

    fn field(&mut self, field: Field<'a>) {
        if let Some(layer) = self.layers.last_mut() {
            layer.fields.push(field);
        }
    }

    fn summary(&mut self, text: fmt::Arguments<'_>) {
        if let Some(layer) = self.layers.last_mut() {
            // A string takes everything.
            let _ = layer.summary.write_fmt(text);
        }
    }

    fn problem(&mut self, what: &'static str) {
        if let Some(layer) = self.layers.last_mut() {
            layer.problem.get_or_insert(what);
        }
    }
}
