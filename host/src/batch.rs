//! A batch as columns of byte strings, borrowed from wherever they lie.

use std::borrow::Cow;
use std::ops::Range;

/// A byte string of a record; `None` is Kafka's null.
pub type Bytes<'a> = Option<&'a [u8]>;

/// n byte strings.
#[derive(Clone, Debug)]
pub enum Column<'a> {
    /// Each somewhere else: messages in the client's buffers, or a column that outputs keep.
    Each(Cow<'a, [Bytes<'a>]>),
    /// Laid end to end; a length of -1 is null.
    Dense {
        /// The bytes.
        data: &'a [u8],
        /// One length for each byte string; those but -1 add up to the size of `data`.
        lengths: &'a [i32],
    },
}

impl Default for Column<'_> {
    fn default() -> Self {
        Column::Each(Cow::Borrowed(&[]))
    }
}

impl<'a> Column<'a> {
    /// The number of byte strings.
    pub fn len(&self) -> usize {
        match self {
            Column::Each(each) => each.len(),
            Column::Dense { lengths, .. } => lengths.len(),
        }
    }

    /// Whether there is no byte string at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sum of the lengths in bytes.
    pub fn size(&self) -> usize {
        match self {
            Column::Each(each) => each.iter().map(|bytes| bytes.map_or(0, <[u8]>::len)).sum(),
            Column::Dense { data, .. } => data.len(),
        }
    }

    /// The byte strings in order.
    pub fn iter(&self) -> Items<'_, 'a> {
        match self {
            Column::Each(each) => Items::Each(each.iter()),
            Column::Dense { data, lengths } => Items::Dense { data, lengths: lengths.iter() },
        }
    }

    /// The same byte strings, each by itself, for access by index.
    pub fn each(&self) -> Cow<'_, [Bytes<'a>]> {
        match self {
            Column::Each(each) => Cow::Borrowed(each),
            Column::Dense { .. } => self.iter().collect(),
        }
    }

    /// A run of the byte strings.
    pub fn slice(&self, range: Range<usize>) -> Column<'_> {
        match self {
            Column::Each(each) => Column::Each(Cow::Borrowed(&each[range])),
            Column::Dense { data, lengths } => {
                let before = size_of_lengths(&lengths[..range.start]);
                let lengths = &lengths[range];
                Column::Dense { data: &data[before..before + size_of_lengths(lengths)], lengths }
            }
        }
    }

    /// The byte strings at the given indices, which must be in range.
    pub fn pick(&self, indices: &[u32]) -> Column<'a> {
        let each = self.each();
        Column::Each(indices.iter().map(|&index| each[index as usize]).collect())
    }
}

/// The bytes that a run of lengths covers.
pub fn size_of_lengths(lengths: &[i32]) -> usize {
    lengths.iter().map(|&length| length.max(0) as usize).sum()
}

/// Iterates over a column.
pub enum Items<'c, 'a> {
    /// See [`Column::Each`].
    Each(std::slice::Iter<'c, Bytes<'a>>),
    /// See [`Column::Dense`].
    Dense {
        /// What is left of the bytes.
        data: &'a [u8],
        /// What is left of the lengths.
        lengths: std::slice::Iter<'a, i32>,
    },
}

impl<'a> Iterator for Items<'_, 'a> {
    type Item = Bytes<'a>;

    #[inline]
    fn next(&mut self) -> Option<Bytes<'a>> {
        match self {
            Items::Each(each) => each.next().copied(),
            Items::Dense { data, lengths } => match usize::try_from(*lengths.next()?) {
                Ok(length) => {
                    let (item, rest) = data.split_at(length);
                    *data = rest;
                    Some(Some(item))
                }
                Err(_) => Some(None),
            },
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Items::Each(each) => each.size_hint(),
            Items::Dense { lengths, .. } => lengths.size_hint(),
        }
    }
}

/// The headers of n records; all three empty where no record has any.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a> {
    /// How many of the names and values belong to each record.
    pub counts: Cow<'a, [u32]>,
    /// Header names, none null.
    pub names: Column<'a>,
    /// Header values.
    pub values: Column<'a>,
}

impl<'a> Headers<'a> {
    /// Whether no record has headers.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A run of n records' headers.
    pub fn slice(&self, range: Range<usize>) -> Headers<'_> {
        if self.is_empty() {
            return Headers::default();
        }
        let before: usize = self.counts[..range.start].iter().map(|&count| count as usize).sum();
        let counts = &self.counts[range];
        let total: usize = counts.iter().map(|&count| count as usize).sum();
        Headers {
            counts: Cow::Borrowed(counts),
            names: self.names.slice(before..before + total),
            values: self.values.slice(before..before + total),
        }
    }

    /// The headers of the records at the given indices, which must be in range.
    pub fn pick(&self, indices: &[u32]) -> Headers<'a> {
        if self.is_empty() {
            return Headers::default();
        }
        let starts = self.starts();
        let counts = indices.iter().map(|&index| self.counts[index as usize]).collect();
        let places: Vec<u32> =
            indices.iter().flat_map(|&index| starts[index as usize]..starts[index as usize + 1]).collect();
        Headers { counts, names: self.names.pick(&places), values: self.values.pick(&places) }
    }

    /// Where each record's headers start among the names, and behind them their number.
    pub fn starts(&self) -> Vec<u32> {
        let mut at = 0;
        let mut starts = Vec::with_capacity(self.counts.len() + 1);
        starts.push(0);
        for count in self.counts.iter() {
            at += count;
            starts.push(at);
        }
        starts
    }
}

/// A run of records of one partition, in offset order.
#[derive(Clone, Debug, Default)]
pub struct Batch<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// Each record's offset; repeated where a module made several of one.
    pub offsets: Cow<'a, [i64]>,
    /// Milliseconds since 1970-01-01 UTC; -1 where there is none.
    pub timestamps: Cow<'a, [i64]>,
    /// Keys.
    pub keys: Column<'a>,
    /// Values.
    pub values: Column<'a>,
    /// Headers.
    pub headers: Headers<'a>,
    /// How many records with the first one's offset were in front of it: a part of a batch may begin in the midst of what a
    /// module made of one record.
    pub siblings_before: u32,
}

impl<'a> Batch<'a> {
    /// The number of records.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The bytes of keys, values and headers.
    pub fn size(&self) -> usize {
        self.keys.size() + self.values.size() + self.headers.names.size() + self.headers.values.size()
    }

    /// A run of the records.
    pub fn slice(&self, range: Range<usize>) -> Batch<'_> {
        Batch {
            topic: self.topic,
            partition: self.partition,
            offsets: Cow::Borrowed(&self.offsets[range.clone()]),
            timestamps: Cow::Borrowed(&self.timestamps[range.clone()]),
            keys: self.keys.slice(range.clone()),
            values: self.values.slice(range.clone()),
            siblings_before: self.siblings_before(range.start),
            headers: self.headers.slice(range),
        }
    }

    /// The place of a record in its partition: its offset, and how many that a module made of the same one are in front of it.
    pub fn place(&self, index: usize) -> (i64, u32) {
        (self.offsets[index], self.siblings_before(index))
    }

    /// How many records with the offset of the one at `index` are in front of it.
    fn siblings_before(&self, index: usize) -> u32 {
        let offset = self.offsets.get(index);
        let before = self.offsets[..index].iter().rev().take_while(|before| Some(*before) == offset).count() as u32;
        if before as usize == index { before + self.siblings_before } else { before }
    }

    /// The records at the given indices, which must be in range.
    pub fn pick(&self, indices: &[u32]) -> Batch<'a> {
        Batch {
            topic: self.topic,
            partition: self.partition,
            offsets: indices.iter().map(|&index| self.offsets[index as usize]).collect(),
            timestamps: indices.iter().map(|&index| self.timestamps[index as usize]).collect(),
            keys: self.keys.pick(indices),
            values: self.values.pick(indices),
            headers: self.headers.pick(indices),
            siblings_before: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_where_in_what_came_of_a_record_it_begins() {
        let nulls = || Column::Each(vec![None; 6].into());
        let batch = Batch {
            offsets: Cow::Borrowed(&[4, 5, 5, 5, 5, 6]),
            timestamps: vec![0; 6].into(),
            keys: nulls(),
            values: nulls(),
            ..Batch::default()
        };
        let begins = |batch: &Batch<'_>| {
            (0..batch.len()).map(|at| batch.slice(at..batch.len()).siblings_before).collect::<Vec<_>>()
        };
        assert_eq!(begins(&batch), [0, 0, 1, 2, 3, 0]);
        assert_eq!(begins(&batch.slice(2..6)), [1, 2, 3, 0], "a part of a part");
        assert_eq!(batch.slice(6..6).siblings_before, 0);
    }
}
