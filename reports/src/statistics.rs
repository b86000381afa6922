//! The few statistics that comparing runs needs, each with what it takes for granted.
//!
//! Runs are few and their times are skewed, so every test here is one of ranks: it
//! takes no shape of a distribution for granted, and one outlier decides nothing.

/// Below this many samples on a side a difference of times is never told.
pub const FEWEST: usize = 4;

/// Up to this many samples on both sides together the exact distribution is counted.
const EXACT: usize = 40;

/// The probability that two groups of one origin differ at least as much (Mann–Whitney U, two-sided).
///
/// Exact for up to 40 samples, ties included; beyond that the normal approximation,
/// corrected for ties and continuity. 1 where a group is empty.
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let ranks = doubled_ranks(a, b);
    let of_a: usize = ranks.iter().take(a.len()).sum();
    match ranks.len() <= EXACT {
        true => exact(&ranks, a.len(), of_a),
        false => approximate(&ranks, a.len(), of_a),
    }
}

/// Twice the rank of each value among all, those of `a` first; ties share the middle of their ranks.
fn doubled_ranks(a: &[f64], b: &[f64]) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> = a.iter().chain(b).copied().zip(0..).collect();
    order.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut ranks = vec![0; order.len()];
    let mut before = 0;
    for tied in order.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        for &(_, place) in tied {
            if let Some(rank) = ranks.get_mut(place) {
                *rank = 2 * before + tied.len() + 1;
            }
        }
        before += tied.len();
    }
    ranks
}

/// Counts in how many ways `chosen` of the ranks give a sum at least as far from the middle.
fn exact(ranks: &[usize], chosen: usize, sum: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    // ways[k][s]: how many sets of k ranks have the sum s.
    let mut ways = vec![vec![0.0_f64; total + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for (seen, &rank) in ranks.iter().enumerate() {
        for taken in (0..chosen.min(seen + 1)).rev() {
            for at in 0..=total.saturating_sub(rank) {
                let more = ways[taken][at];
                if more > 0.0 {
                    ways[taken + 1][at + rank] += more;
                }
            }
        }
    }
    // Both sides are multiplied by the number of ranks, so that the middle is a whole number.
    let count = ranks.len();
    let middle = total * chosen;
    let far = (sum * count).abs_diff(middle);
    let sets = &ways[chosen];
    let as_far: f64 = (0..=total).filter(|at| (at * count).abs_diff(middle) >= far).map(|at| sets[at]).sum();
    as_far / sets.iter().sum::<f64>()
}

#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
fn approximate(ranks: &[usize], chosen: usize, sum: usize) -> f64 {
    let (all, ours) = (ranks.len() as f64, chosen as f64);
    let others = all - ours;
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64).sum();
    let variance = ours * others / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let expected = ours * (all + 1.0) / 2.0;
    let off = ((sum as f64 / 2.0 - expected).abs() - 0.5).max(0.0);
    two_sided(off / variance.sqrt())
}

/// The probability of a standard normal value at least as far from 0.
fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// How many samples a side needs, both having as many, before a clear difference can
/// be told among `comparisons` at a level of `alpha` for all of them together.
#[must_use]
pub fn samples_needed(comparisons: usize, alpha: f64) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a number of comparisons")]
    let each = alpha / comparisons.max(1) as f64;
    // The least probability there is: that of the two ways in which the groups do not overlap.
    let least = |count: usize| {
        let ways: f64 = (1..=count).map(|at| as_f64(count + at) / as_f64(at)).product();
        2.0 / ways
    };
    (FEWEST..1000).find(|&count| least(count) <= each).unwrap_or(1000)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn as_f64(number: usize) -> f64 {
    number as f64
}

/// Which of several probabilities are small enough, all taken together (Holm–Bonferroni).
#[must_use]
pub fn holm(probabilities: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let mut told = vec![false; probabilities.len()];
    for (place, &index) in order.iter().enumerate() {
        if probabilities[index] > alpha / as_f64(probabilities.len() - place) {
            break;
        }
        told[index] = true;
    }
    told
}

/// The middle value; none of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Between which shares the true one lies, with 95 % confidence, when `hits` of `all` were seen (Wilson).
///
/// From 0 to 1 where nothing was seen.
#[must_use]
pub fn wilson(hits: u32, all: u32) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if all == 0 {
        return (0.0, 1.0);
    }
    let (all, share) = (f64::from(all), f64::from(hits) / f64::from(all));
    let denominator = 1.0 + Z * Z / all;
    let middle = (share + Z * Z / (2.0 * all)) / denominator;
    let half = Z / denominator * (share * (1.0 - share) / all + Z * Z / (4.0 * all * all)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// The probability that two shares of one origin differ at least as much (Fisher's exact test, two-sided).
#[must_use]
pub fn fisher(hits_a: u32, all_a: u32, hits_b: u32, all_b: u32) -> f64 {
    let ln_choose = |n: u32, k: u32| {
        let ln = |x: u32| libm::lgamma(f64::from(x) + 1.0);
        ln(n) - ln(k) - ln(n - k)
    };
    let hits = hits_a + hits_b;
    let chance =
        |of_a: u32| (ln_choose(all_a, of_a) + ln_choose(all_b, hits - of_a) - ln_choose(all_a + all_b, hits)).exp();
    let seen = chance(hits_a) * (1.0 + 1e-9);
    let possible = hits.saturating_sub(all_b)..=hits.min(all_a);
    possible.map(chance).filter(|chance| *chance <= seen).sum::<f64>().min(1.0)
}

/// A trend over time: the probability that values without one rise or fall as steadily
/// (Mann–Kendall, two-sided), and the middle of all slopes from one to a later value (Theil–Sen).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// How much a value grows from one to the next.
    pub slope: f64,
    /// The probability.
    pub p: f64,
}

/// The trend of values in order; none for fewer than eight, of which none could be told.
#[must_use]
pub fn trend(values: &[f64]) -> Option<Trend> {
    const FEWEST: usize = 8;
    if values.len() < FEWEST {
        return None;
    }
    let mut slopes = Vec::new();
    let mut score = 0.0_f64;
    for (from, earlier) in values.iter().enumerate() {
        for (to, later) in values.iter().enumerate().skip(from + 1) {
            let change = later - earlier;
            slopes.push(change / as_f64(to - from));
            score += if change > 0.0 {
                1.0
            } else if change < 0.0 {
                -1.0
            } else {
                0.0
            };
        }
    }
    let n = as_f64(values.len());
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let weight = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let ties: f64 = sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()).map(|tied| weight(as_f64(tied.len()))).sum();
    let variance = (weight(n) - ties) / 18.0;
    let p = if variance > 0.0 { two_sided((score.abs() - 1.0).max(0.0) / variance.sqrt()) } else { 1.0 };
    Some(Trend { slope: median(&slopes)?, p })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-4
    }

    #[test]
    fn mann_whitney_is_that_of_the_textbooks() {
        // By hand: of 70 ways to choose 4 of 8 ranks, 2 do not overlap.
        assert!(near(mann_whitney(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]), 2.0 / 70.0));
        // scipy.stats.mannwhitneyu(x, y, method='exact')
        let (x, y) = ([19.0, 22.0, 16.0, 29.0, 24.0], [20.0, 11.0, 17.0, 12.0]);
        assert!(near(mann_whitney(&x, &y), 0.111_111));
        assert!(near(mann_whitney(&[1.0; 6], &[1.0; 6]), 1.0), "all tied says nothing");
        assert!(near(mann_whitney(&[], &[1.0]), 1.0));
    }

    #[test]
    fn the_approximation_meets_the_exact_count_where_both_can_be_had() {
        let a: Vec<f64> = (0..20).map(|n| f64::from(n * 7 % 23)).collect();
        let b: Vec<f64> = (0..20).map(|n| f64::from(n * 5 % 19) + 4.0).collect();
        let ranks = doubled_ranks(&a, &b);
        let sum: usize = ranks[..20].iter().sum();
        assert!((exact(&ranks, 20, sum) - approximate(&ranks, 20, sum)).abs() < 0.01);
    }

    #[test]
    fn what_is_needed_is_what_a_clear_difference_takes() {
        for comparisons in [1, 20, 200] {
            let needed = samples_needed(comparisons, 0.01);
            let clear = |count: usize| {
                let low: Vec<f64> = (0..count).map(as_f64).collect();
                let high: Vec<f64> = low.iter().map(|value| value + 1000.0).collect();
                mann_whitney(&low, &high) <= 0.01 / as_f64(comparisons)
            };
            assert!(clear(needed), "{comparisons}");
            assert!(needed == FEWEST || !clear(needed - 1), "{comparisons}");
        }
    }

    #[test]
    fn holm_is_stricter_the_more_is_compared() {
        assert_eq!(holm(&[0.004, 0.004, 0.2], 0.01), [false, false, false]);
        assert_eq!(holm(&[0.003, 0.004, 0.2], 0.01), [true, true, false]);
        assert_eq!(holm(&[], 0.01), Vec::<bool>::new());
    }

    #[test]
    fn wilson_is_that_of_the_textbooks() {
        let (low, high) = wilson(0, 20);
        assert!(near(low, 0.0) && near(high, 0.161_13), "{low} {high}");
        let (low, high) = wilson(17, 20);
        assert!(near(low, 0.639_58) && near(high, 0.947_63), "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn fisher_is_that_of_the_textbooks() {
        // scipy.stats.fisher_exact([[8, 2], [1, 5]]) and of no difference at all.
        assert!(near(fisher(8, 10, 1, 6), 0.034_965), "{}", fisher(8, 10, 1, 6));
        assert!(near(fisher(5, 5, 20, 20), 1.0));
    }

    #[test]
    fn a_steady_rise_is_a_trend_and_few_values_are_none() {
        let rising: Vec<f64> = (0..12).map(|n| 10.0 + f64::from(n) * 2.0).collect();
        let found = trend(&rising).unwrap();
        assert!(near(found.slope, 2.0) && found.p < 0.001, "{found:?}");
        assert!(trend(&[5.0; 12]).unwrap().p > 0.9);
        assert_eq!(trend(&rising[..7]), None);
    }

    proptest! {
        #[test]
        fn probabilities_are_probabilities(
            a in prop::collection::vec(0_u16..50, 0..30),
            b in prop::collection::vec(0_u16..50, 0..30),
        ) {
            let values = |ints: &[u16]| ints.iter().map(|n| f64::from(*n)).collect::<Vec<_>>();
            let p = mann_whitney(&values(&a), &values(&b));
            prop_assert!((0.0..=1.0 + 1e-9).contains(&p), "{p}");
            prop_assert!((p - mann_whitney(&values(&b), &values(&a))).abs() < 1e-9, "both ways alike");
        }
    }
}
