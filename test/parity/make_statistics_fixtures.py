"""Writes fixtures/statistics.json: what SciPy says, for the tests of src/shared/statistics.

Usage: python make_statistics_fixtures.py   (needs numpy and scipy)
"""

import itertools
import json
import pathlib

import numpy as np
import scipy
from scipy import special, stats


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


def scipy_bootstrap(values, level):
    result = stats.bootstrap(
        (values,), np.mean, confidence_level=level, method="percentile", n_resamples=200_000,
        rng=np.random.default_rng(7), batch=5_000,
    )
    interval = result.confidence_interval
    return {"values": values, "level": level, "low": float(interval.low), "high": float(interval.high),
            "sd": float(result.standard_error)}


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
        "student_quantile": [
            {"df": df, "p": p, "t": float(stats.t.ppf(p, df))}
            for df in [1, 2, 3, 4, 5, 9, 29, 99, 499, 2000, 10000]
            for p in [0.001, 0.025, 0.3, 0.5, 0.75, 0.95, 0.975, 0.9875, 0.995, 0.9999]
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
        "mcnemar": [
            {
                "only_first": b,
                "only_second": c,
                "exact": float(stats.binomtest(b, b + c, 0.5).pvalue) if b + c else 1.0,
                "continuity": float(stats.chi2.sf(max(0, abs(b - c) - 1) ** 2 / (b + c), 1)) if b + c else 1.0,
            }
            for (b, c) in discordant
        ],
        "bootstrap": [
            exact_bootstrap([0.02, 0.05, 0.03, -0.01, 0.04], 0.95),
            exact_bootstrap([1.0, 0.0, 0.0, 2.0, -1.0, 0.5], 0.9),
            scipy_bootstrap(samples[-1], 0.95),
        ],
        "xoshiro128_star_star": {"state": [1, 2, 3, 4], "values": xoshiro128_star_star((1, 2, 3, 4), 40)},
    }
    path = pathlib.Path(__file__).parent / "fixtures" / "statistics.json"
    path.write_text(json.dumps(fixtures, indent=1) + "\n")


main()
