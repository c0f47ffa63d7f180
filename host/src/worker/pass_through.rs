//! Records that pass through as they came, put among the rows of the others, each where its own rows would stand.

use crate::batch::{Batch, Bytes, Column, Headers};
use crate::route::Route;

/// Rows with records among them.
pub(super) struct Merged<'a> {
    pub(super) rows: Batch<'a>,
    pub(super) origins: Vec<u32>,
    pub(super) routes: Vec<Route>,
}

/// Puts the records of `batch` at the indices `passing`, ascending, among `rows`, which came of others: `origins` says of
/// which. Records go to the default destination.
// Promise: order
pub(super) fn merge<'m>(
    rows: &'m Batch<'_>,
    origins: &[u32],
    routes: &[Route],
    batch: &'m Batch<'_>,
    passing: &[u32],
) -> Merged<'m> {
    // each place takes a row, or a record
    let mut places: Vec<(u32, Result<usize, usize>)> =
        origins.iter().take(rows.len()).enumerate().map(|(row, &origin)| (origin, Ok(row))).collect();
    places.extend(passing.iter().map(|&record| (record, Err(record as usize))));
    // stable: rows of one record stay in their order
    places.sort_by_key(|(origin, _)| *origin);

    let number = |of_rows: &[i64], of_records: &[i64]| {
        places.iter().map(|(_, place)| place.map_or_else(|record| of_records[record], |row| of_rows[row])).collect()
    };
    let route = |place: Result<usize, usize>| place.ok().and_then(|row| routes.get(row).copied()).unwrap_or_default();
    let merged = Batch {
        topic: batch.topic,
        partition: batch.partition,
        offsets: number(&rows.offsets, &batch.offsets),
        timestamps: number(&rows.timestamps, &batch.timestamps),
        keys: column(&rows.keys, &batch.keys, &places),
        values: column(&rows.values, &batch.values, &places),
        headers: headers(&rows.headers, &batch.headers, &places),
        siblings_before: 0,
    };
    Merged {
        rows: merged,
        origins: places.iter().map(|(origin, _)| *origin).collect(),
        routes: places.iter().map(|(_, place)| route(*place)).collect(),
    }
}

fn column<'m>(rows: &'m Column<'_>, records: &'m Column<'_>, places: &[(u32, Result<usize, usize>)]) -> Column<'m> {
    let (rows, records) = (rows.each(), records.each());
    let pick = |(_, place): &(u32, Result<usize, usize>)| -> Bytes<'m> {
        place.map_or_else(|record| records[record], |row| rows[row])
    };
    Column::Each(places.iter().map(pick).collect())
}

fn headers<'m>(rows: &'m Headers<'_>, records: &'m Headers<'_>, places: &[(u32, Result<usize, usize>)]) -> Headers<'m> {
    if rows.is_empty() && records.is_empty() {
        return Headers::default();
    }
    let (row_starts, record_starts) = (rows.starts(), records.starts());
    let (row_names, row_values, record_names) = (rows.names.each(), rows.values.each(), records.names.each());
    let record_values = records.values.each();
    // where no record has headers there is no start but the first
    let range =
        |starts: &[u32], at: usize| starts.get(at..at + 2).map_or(0..0, |ends| ends[0] as usize..ends[1] as usize);
    let (mut counts, mut names, mut values) = (Vec::new(), Vec::<Bytes<'m>>::new(), Vec::<Bytes<'m>>::new());
    for (_, place) in places {
        let before = names.len();
        match *place {
            Ok(row) => {
                let range = range(&row_starts, row);
                names.extend(row_names[range.clone()].iter().copied());
                values.extend(row_values[range].iter().copied());
            }
            Err(record) => {
                let range = range(&record_starts, record);
                names.extend(record_names[range.clone()].iter().copied());
                values.extend(record_values[range].iter().copied());
            }
        }
        counts.push((names.len() - before) as u32);
    }
    Headers { counts: counts.into(), names: Column::Each(names.into()), values: Column::Each(values.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch<'a>(values: &'a [Vec<u8>], headers: bool) -> Batch<'a> {
        let each: Vec<_> = values.iter().map(|value| Some(value.as_slice())).collect();
        Batch {
            topic: "in",
            partition: 1,
            offsets: (0..values.len() as i64).collect(),
            timestamps: (100..100 + values.len() as i64).collect(),
            keys: Column::Each(vec![None; values.len()].into()),
            values: Column::Each(each.clone().into()),
            headers: match headers {
                true => Headers {
                    counts: vec![1; values.len()].into(),
                    names: Column::Each(vec![Some(&b"h"[..]); values.len()].into()),
                    values: Column::Each(each.into()),
                },
                false => Headers::default(),
            },
            siblings_before: 0,
        }
    }

    proptest! {
        #[test]
        fn every_record_stands_where_its_rows_would(
            passing in prop::collection::vec(any::<bool>(), 0..40), with_headers: bool, copies in 0..3usize,
        ) {
            let values: Vec<_> = (0..passing.len()).map(|n| n.to_string().into_bytes()).collect();
            let all = batch(&values, with_headers);
            let indices = |wanted| -> Vec<u32> {
                (0..passing.len()).filter(|n| passing[*n] == wanted).map(|n| n as u32).collect()
            };
            let origins: Vec<u32> = indices(false).into_iter().flat_map(|n| std::iter::repeat_n(n, copies)).collect();
            let rows = all.slice(0..all.len());
            let rows = rows.pick(&origins);
            let routes = vec![Route(1); origins.len()];
            let merged = merge(&rows, &origins, &routes, &all, &indices(true));
            let expected: Vec<u32> = (0..passing.len())
                .flat_map(|n| std::iter::repeat_n(n as u32, if passing[n] { 1 } else { copies }))
                .collect();
            prop_assert_eq!(&merged.origins, &expected);
            let found: Vec<_> = merged.rows.values.iter().map(|value| value.unwrap_or_default().to_vec()).collect();
            let wanted: Vec<_> = expected.iter().map(|n| values[*n as usize].clone()).collect();
            prop_assert_eq!(&found, &wanted);
            if with_headers {
                let found: Vec<_> = merged.rows.headers.values.iter().map(|value| value.unwrap_or_default().to_vec()).collect();
                prop_assert_eq!(&found, &wanted);
            }
            for (row, n) in expected.iter().enumerate() {
                prop_assert_eq!(merged.rows.offsets[row], i64::from(*n));
                prop_assert_eq!(merged.rows.timestamps[row], 100 + i64::from(*n));
                prop_assert_eq!(merged.routes[row], if passing[*n as usize] { Route::DEFAULT } else { Route(1) });
            }
        }
    }
}
