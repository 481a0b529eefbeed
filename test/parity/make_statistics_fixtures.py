"""Writes fixtures/statistics.json: what SciPy and statsmodels say, for the tests of src/shared/statistics.

Usage: python make_statistics_fixtures.py   (needs numpy, scipy and statsmodels)
"""

import itertools
import json
import pathlib

import numpy as np
import scipy
import statsmodels
from scipy import optimize, special, stats
from statsmodels.stats import contingency_tables, power


def xoshiro128_star_star(state, count):
    mask = 0xFFFFFFFF
    rotate = lambda value, by: ((value << by) | (value >> (32 - by))) & mask
    a, b, c, d = state
    out = []
    for _ in range(count):
        out.append(rotate(b * 5 & mask, 7) * 9 & mask)
        shifted = b << 9 & mask
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotate(d, 11)
    return out


def student(values, level):
    result = stats.ttest_1samp(values, 0)
    interval = result.confidence_interval(level)
    return {
        "values": values,
        "level": level,
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)),
        "low": float(interval.low),
        "high": float(interval.high),
        "p": float(result.pvalue),
    }


def exact_bootstrap(values, level):
    """Quantiles of the bootstrap distribution itself: every one of the n^n resamples."""
    means = [np.mean(resample) for resample in itertools.product(values, repeat=len(values))]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return {"values": values, "level": level, "low": float(low), "high": float(high), "sd": float(np.std(means))}


def scipy_bootstrap(values, level, method="percentile"):
    result = stats.bootstrap(
        (values,), np.mean, confidence_level=level, method=method, n_resamples=200_000,
        rng=np.random.default_rng(7), batch=5_000,
    )
    interval = result.confidence_interval
    return {"values": values, "level": level, "low": float(interval.low), "high": float(interval.high),
            "sd": float(result.standard_error)}


def mcnemar(b, c):
    """The exact test and the one with Edwards' correction by statsmodels; mid-p by its definition from SciPy's binomial."""
    table = [[0, b], [c, 0]]
    exact = contingency_tables.mcnemar(table, exact=True).pvalue if b + c else 1.0
    # statsmodels corrects b = c to a distance of 1; the correction must not go beyond 0.
    continuity = contingency_tables.mcnemar(table, exact=False, correction=True).pvalue if b != c else 1.0
    fewer, total = min(b, c), b + c
    mid_p = 2 * stats.binom.cdf(fewer - 1, total, 0.5) + stats.binom.pmf(fewer, total, 0.5) if total else 1.0
    return {"only_first": b, "only_second": c, "exact": float(exact), "mid_p": float(min(1, mid_p)),
            "continuity": float(continuity)}


def crossed_bootstrap(rows, level):
    """Every resample of replicates combined with every one of items: the bootstrap distribution itself."""
    data = np.array(rows, dtype=float)
    replicates, items = data.shape
    means = [
        data[np.ix_(r, i)].mean()
        for r in itertools.product(range(replicates), repeat=replicates)
        for i in itertools.product(range(items), repeat=items)
    ]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return {"differences": rows, "level": level, "low": float(low), "high": float(high), "sd": float(np.std(means))}


def paired_power(effect, n, error_rate):
    value = power.TTestPower().power(effect_size=effect, nobs=n, alpha=error_rate, alternative="two-sided")
    return {"effect": effect, "n": n, "error_rate": error_rate, "power": float(value)}


def detectable(n, error_rate, wanted):
    """In standard deviations of the differences. Solved here: statsmodels' solver stops where SciPy's lower tail is NaN."""
    critical = stats.t.isf(error_rate / 2, n - 1)

    def power_of(effect):
        shift = effect * n**0.5
        return stats.nct.sf(critical, n - 1, shift) + np.nan_to_num(stats.nct.cdf(-critical, n - 1, shift))

    effect = optimize.brentq(lambda effect: power_of(effect) - wanted, 1e-3, 40, xtol=1e-12)
    return {"n": n, "error_rate": error_rate, "power": wanted, "effect": float(effect)}


def main():
    rng = np.random.default_rng(20240816)
    samples = [
        [1.0, 2.0],
        [0.02, 0.05, 0.03],
        [-0.1, 0.4, 0.3, -0.2, 0.25],
        [1e8 + 1, 1e8 + 2, 1e8 + 4],
        [round(float(x), 6) for x in rng.normal(0.3, 1.0, 40)],
    ]
    counts = [(0, 1), (0, 10), (3, 10), (10, 10), (57, 100), (499, 500), (1234, 5000)]
    discordant = [(0, 0), (1, 0), (0, 5), (3, 3), (10, 25), (25, 10), (120, 80), (1500, 1400), (6000, 5600)]
    fixtures = {
        "scipy": scipy.__version__,
        "statsmodels": statsmodels.__version__,
        "student_quantile": [
            {"df": df, "p": p, "t": float(stats.t.ppf(p, df))}
            for df in [1, 2, 3, 4, 5, 9, 29, 99, 499, 2000, 10000]
            for p in [0.001, 0.025, 0.3, 0.5, 0.75, 0.95, 0.975, 0.9875, 0.995, 0.99975, 0.9999]
        ],
        "student_upper_tail": [
            {"df": df, "t": t, "p": float(stats.t.sf(t, df))}
            for df in [1, 2, 4, 10, 100, 5000]
            for t in [-3.0, 0.0, 1e-3, 0.5, 2.0, 4.303, 12.7, 80.0]
            if stats.t.sf(t, df) > 1e-290
        ],
        "incomplete_beta": [
            {"x": x, "a": a, "b": b, "value": float(special.betainc(a, b, x))}
            for (a, b) in [(0.5, 0.5), (1, 3), (2.5, 0.5), (10, 30), (150, 0.5), (0.5, 40)]
            for x in [0.0, 1e-6, 0.02, 0.3, 0.5, 0.77, 0.999, 1.0]
        ],
        "normal_quantile": [
            {"p": p, "z": float(stats.norm.ppf(p))} for p in [1e-12, 1e-4, 0.025, 0.4, 0.5, 0.6, 0.9, 0.975, 0.9995]
        ],
        "normal_upper_tail": [
            {"z": z, "p": float(stats.norm.sf(z))} for z in [-5.0, -1.0, 0.0, 0.3, 1.96, 3.5, 3.6, 6.0, 15.0, 30.0]
        ],
        "student_interval": [student(values, level) for values in samples for level in [0.9, 0.95, 0.975]],
        "wilson": [
            {"successes": k, "trials": n, "level": level, "low": float(ci.low), "high": float(ci.high)}
            for (k, n) in counts
            for level in [0.9, 0.95]
            for ci in [stats.binomtest(k, n).proportion_ci(level, method="wilson")]
        ],
        "clopper_pearson": [
            {"successes": k, "trials": n, "level": level, "low": float(ci.low), "high": float(ci.high),
             "p": float(stats.binomtest(k, n).pvalue)}
            for (k, n) in [*counts, (8, 10), (31, 50), (1, 20), (4200, 5000)]
            for level in [0.9, 0.95]
            for ci in [stats.binomtest(k, n).proportion_ci(level, method="exact")]
        ],
        "mcnemar": [mcnemar(b, c) for (b, c) in discordant],
        "noncentral_student": [
            {"t": t, "df": df, "noncentrality": shift, "p": float(stats.nct.cdf(t, df, shift))}
            for df in [1, 2, 4, 7, 30, 400]
            for shift in [0.0, 0.3, 2.0, 5.0, 20.0]
            for t in [-4.303, -1.0, 1e-3, 0.7, 2.776, 7.0, 25.0]
            if np.isfinite(stats.nct.cdf(t, df, shift))  # SciPy gives up far in the lower tail
        ],
        "paired_power": [
            paired_power(effect, n, error_rate)
            for n in [2, 3, 5, 8, 40]
            for effect in [0.1, 0.3, 0.8]
            for error_rate in [0.05, 0.05 / 3, 0.05 / 12, 0.03 / 3, 0.005 / 3]
        ],
        "detectable": [
            detectable(n, error_rate, wanted)
            for n in [3, 5, 8, 40]
            for error_rate in [0.05, 0.05 / 3, 0.04, 0.01, 0.005 / 3]
            for wanted in [0.8, 0.9]
        ],
        "crossed_bootstrap": [
            crossed_bootstrap([[1, 0, 0, -1, 1], [1, 1, 0, 0, 0], [1, 0, -1, 0, 1]], 0.95),
            crossed_bootstrap([[0.5, -0.25, 0.1, 0.3], [0.2, 0.4, 0.0, 0.9]], 0.8),
        ],
        "bias_corrected_bootstrap": [
            scipy_bootstrap([0.02, 0.05, 0.03, -0.01, 0.04], 0.95, "BCa"),
            scipy_bootstrap([0.0, 0.1, 0.2, 0.15, 0.9, 0.05, 2.5, 0.3], 0.9, "BCa"),
            scipy_bootstrap(samples[-1], 0.95, "BCa"),
        ],
        "bootstrap": [
            exact_bootstrap([0.02, 0.05, 0.03, -0.01, 0.04], 0.95),
            exact_bootstrap([1.0, 0.0, 0.0, 2.0, -1.0, 0.5], 0.9),
            scipy_bootstrap(samples[-1], 0.95),
        ],
        "xoshiro128_star_star": {"state": [1, 2, 3, 4], "values": xoshiro128_star_star((1, 2, 3, 4), 40)},
    }
    path = pathlib.Path(__file__).parent / "fixtures" / "statistics.json"
    path.write_text(json.dumps(fixtures, indent=1, allow_nan=False) + "\n")


main()
