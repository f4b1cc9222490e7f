/*
 * Sorted runs and what is read from them: packing and merging against plain counting, any wrong byte refused, curves
 * and medians against plain versions; losses, calibration, orders and agreement in cases that can be counted by hand.
 */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "score/calibration.h"
#include "score/curves.h"
#include "score/losses.h"
#include "score/ranking.h"
#include "score/tallies.h"

#define ROWS 3000
#define RUNS 7

/* Random rows whose keys stand for few or many numbers. */
static void
random_rows(MlRandom *random, uint64_t *rows, size_t n, size_t words, bool few)
{
	for (size_t i = 0; i < n; i++)
	{
		double		x = few ? floor(ml_random_double(random) * 20) - 10 : ml_random_double(random) * 4 - 2;
		double		w = floor(ml_random_double(random) * 4) + 0.5;

		rows[i * words] = ml_score_key(x);
		if (words == ML_WORDS_WEIGHTED)
			memcpy(&rows[i * words + 1], &w, sizeof w);
	}
}

/* The weight of all rows of a key, counted one by one. */
static double
plain_weight(const uint64_t *rows, size_t n, size_t words, uint64_t key)
{
	double		sum = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		w = 1;

		if (rows[i * words] != key)
			continue;
		if (words == ML_WORDS_WEIGHTED)
			memcpy(&w, &rows[i * words + 1], sizeof w);
		sum += w;
	}
	return sum;
}

/* Rows cut into runs, packed, checked, merged: each key once, ascending, with the weight that was put in. */
static void
check_runs(MlContext *ctx, MlRandom *random, size_t words, bool few)
{
	uint64_t   *rows = ml_alloc_array(ctx, ROWS * words, sizeof(uint64_t));
	uint64_t   *sorted = ml_alloc_array(ctx, ROWS * words, sizeof(uint64_t));
	uint64_t   *buffer = ml_alloc_array(ctx, ROWS * words, sizeof(uint64_t));
	MlRunReader readers[RUNS + 1] = {{0}};
	double		counted = 0;
	double		weight = 0;
	uint64_t	last = 0;
	MlTies		ties;

	random_rows(random, rows, ROWS, words, few);
	memcpy(sorted, rows, ROWS * words * sizeof(uint64_t));
	for (size_t r = 0; r <= RUNS; r++)
	{
		size_t		begin = r * ROWS / (RUNS + 1);
		size_t		n = (r + 1) * ROWS / (RUNS + 1) - begin;
		uint64_t   *part = sorted + begin * words;
		uint8_t    *bytes = ml_alloc(ctx, ml_run_bound(n, words));
		uint64_t	entries;
		size_t		size;

		ml_sort_rows(ctx, part, buffer, n, words);
		if (r == RUNS)
		{
			readers[r] = (MlRunReader) {.left = n,.rows = part,.words = words};
			continue;
		}
		size = ml_run_pack(part, n, words, bytes, &entries);
		CHECK(size <= ml_run_bound(n, words) && entries <= n);
		CHECK(ml_run_check(bytes, size, entries, words == ML_WORDS_WEIGHTED, false, &counted, &weight));
		readers[r] = (MlRunReader) {.weighted = words == ML_WORDS_WEIGHTED,.left = entries,.at = bytes,.end = bytes + size};
	}
	CHECK(words == ML_WORDS_WEIGHTED || counted == ROWS * RUNS / (RUNS + 1));
	weight = 0;
	ml_ties_begin(ctx, &ties, readers, RUNS + 1, 1);
	while (ml_ties_next(&ties))
	{
		CHECK(ties.key > last);
		CHECK(ties.weight[0] == plain_weight(rows, ROWS, words, ties.key));
		weight += ties.weight[0];
		last = ties.key;
	}
	ml_ties_end(&ties);
	counted = 0;
	for (size_t i = 0; i < ROWS; i++)
		counted += words == ML_WORDS_KEY ? 1.0 : plain_weight(rows + i * words, 1, words, rows[i * words]);
	CHECK(weight == counted);
}

static void
test_runs(MlContext *ctx)
{
	MlRandom	random;

	ml_random_seed(&random, 7);
	check_runs(ctx, &random, ML_WORDS_KEY, false);
	check_runs(ctx, &random, ML_WORDS_KEY, true);
	check_runs(ctx, &random, ML_WORDS_WEIGHTED, false);
	check_runs(ctx, &random, ML_WORDS_WEIGHTED, true);
}

static void
test_keys(MlContext *ctx)
{
	const double numbers[] = {-INFINITY, -1e300, -1, -5e-324, 0, 5e-324, 1, 1e300, INFINITY};

	(void) ctx;
	for (size_t i = 0; i < 9; i++)
		CHECK(ml_key_score(ml_score_key(numbers[i])) == numbers[i]);
	CHECK(ml_score_key(-0.0) == ml_score_key(0.0));
}

/* The largest distances and counts there are. */
static void
test_extreme_entries(MlContext *ctx)
{
	uint8_t		bytes[3 * ML_RUN_ENTRY];
	uint8_t    *at = bytes;
	uint64_t	least = ml_score_key(-INFINITY);
	uint64_t	greatest = ml_score_key(INFINITY);
	double		rows = 0;
	double		weight = 0;
	MlRunReader reader;
	MlTies		ties;

	at = ml_run_put(at, 0, least, 9007199254740992.0, false);
	at = ml_run_put(at, least, greatest, 1, false);
	CHECK(ml_run_check(bytes, (size_t) (at - bytes), 2, false, false, &rows, &weight));
	CHECK(rows == 9007199254740993.0 || rows == 9007199254740992.0);
	reader = (MlRunReader) {.left = 2,.at = bytes,.end = at};
	ml_ties_begin(ctx, &ties, &reader, 1, 1);
	CHECK(ml_ties_next(&ties) && ties.key == least && ties.weight[0] == 9007199254740992.0);
	CHECK(ml_ties_next(&ties) && ties.key == greatest && ties.weight[0] == 1);
	CHECK(!ml_ties_next(&ties));
	ml_ties_end(&ties);

	/* out of order, a minus zero, too short, too long, a weight of nothing, NaN */
	at = ml_run_put(bytes, 0, greatest + 1, 1, false);
	CHECK(!ml_run_check(bytes, (size_t) (at - bytes), 1, false, false, &rows, &weight));
	at = ml_run_put(bytes, 0, ml_score_key(0) - 1, 1, false);
	CHECK(!ml_run_check(bytes, (size_t) (at - bytes), 1, false, false, &rows, &weight));
	at = ml_run_put(bytes, 0, ml_score_key(1), 5, false);
	CHECK(!ml_run_check(bytes, (size_t) (at - bytes) - 1, 1, false, false, &rows, &weight));
	CHECK(!ml_run_check(bytes, (size_t) (at - bytes), 2, false, false, &rows, &weight));
	CHECK(!ml_run_check(bytes, (size_t) (at - bytes), 0, false, false, &rows, &weight));
	at = ml_run_put(bytes, 0, ml_score_key(1), -1, true);
	CHECK(!ml_run_check(bytes, (size_t) (at - bytes), 1, true, false, &rows, &weight));
	at = ml_run_put(bytes, 0, ml_score_key(1), NAN, true);
	CHECK(!ml_run_check(bytes, (size_t) (at - bytes), 1, true, false, &rows, &weight));
	memset(bytes, 255, sizeof bytes);
	CHECK(!ml_run_check(bytes, sizeof bytes, 1, false, false, &rows, &weight));
}

/* Ties of few rows of several sets. */
static void
begin_sets(MlContext *ctx, MlTies *ties, MlRunReader *readers, uint64_t *rows, const double *score, const int *set,
		   size_t n, int sets, bool reversed)
{
	size_t		at = 0;

	for (int s = 0; s < sets; s++)
	{
		size_t		begin = at;

		for (size_t i = 0; i < n; i++)
			if (set[i] == s)
				rows[at++] = reversed ? ~ml_score_key(score[i]) : ml_score_key(score[i]);
		ml_sort_rows(ctx, rows + begin, NULL, at - begin, ML_WORDS_KEY);
		readers[s] = (MlRunReader) {.set = s,.left = at - begin,.rows = rows + begin,.words = ML_WORDS_KEY};
	}
	ml_ties_begin(ctx, ties, readers, (size_t) sets, sets);
}

static void
test_medians(MlContext *ctx)
{
	const double score[] = {8, 1, 4, 2};
	const int	set[] = {0, 0, 0, 0};
	uint64_t	rows[4];
	MlRunReader readers[1];
	MlTies		ties;

	begin_sets(ctx, &ties, readers, rows, score, set, 4, 1, false);
	CHECK(ml_ties_median(&ties, 4, false) == 3);
	begin_sets(ctx, &ties, readers, rows, score, set, 4, 1, false);
	CHECK(ml_ties_median(&ties, 4, true) == 2);
	begin_sets(ctx, &ties, readers, rows, score, set, 3, 1, false);
	CHECK(ml_ties_median(&ties, 3, false) == 4);
	begin_sets(ctx, &ties, readers, rows, score, set, 0, 1, false);
	CHECK(isnan(ml_ties_median(&ties, 0, false)));
}

/* Three classes: the areas of pairs and of one against the rest. */
static void
test_class_areas(MlContext *ctx)
{
	const double score[] = {.9, .5, .5, .1, .7};
	const int	set[] = {0, 0, 1, 1, 2};
	const double totals[] = {2, 2, 1};
	double		areas[9] = {NAN, .5, .25, .75, NAN, .5, NAN, 1, NAN};
	const double rests[] = {.25, NAN, 1};
	double		found[3];
	double		rest;
	uint64_t	rows[5];
	MlRunReader readers[3];
	MlTies		ties;

	begin_sets(ctx, &ties, readers, rows, score, set, 5, 3, true);
	ml_ties_class_areas(&ties, 0, totals, found, &rest);
	CHECK(isnan(found[0]));
	CHECK_NEAR(found[1], 3.5 / 4, 1e-15);
	CHECK_NEAR(found[2], 0.5, 1e-15);
	CHECK_NEAR(rest, 4.5 / 6, 1e-15);
	CHECK_NEAR(ml_multiclass_area(3, areas, rests, totals, ML_MULTICLASS_OVR, false), 0.625, 1e-15);
	CHECK_NEAR(ml_multiclass_area(3, areas, rests, totals, ML_MULTICLASS_OVR, true), 0.5, 1e-15);
	CHECK_NEAR(ml_multiclass_area(3, areas, rests, totals, ML_MULTICLASS_OVO, false), 0.6875, 1e-15);
	CHECK_NEAR(ml_multiclass_area(3, areas, rests, totals, ML_MULTICLASS_OVO, true), (4 * .625 + 3 * .75) / 7, 1e-15);
}

static void
test_calibration(MlContext *ctx)
{
	(void) ctx;
	CHECK(ml_calibration_bin(0, 10) == 0 && ml_calibration_bin(1, 10) == 9);
	for (int i = 1; i < 10; i++)
	{
		CHECK(ml_calibration_bin(i / 10.0, 10) == i - 1);
		CHECK(ml_calibration_bin(nextafter(i / 10.0, 1), 10) == i);
	}
}

static void
test_losses(MlContext *ctx)
{
	const double p[] = {.5, .25, .25};

	(void) ctx;
	CHECK(ml_loss(ML_LOSS_SMAPE, 0, 0, 0) == 0 && ml_loss(ML_LOSS_SMAPE, 0, 5e-324, 0) == 2);
	CHECK_NEAR(ml_loss(ML_LOSS_TWEEDIE, 1, 2, 1), 2 * (2 * log(2) - 1), 1e-15);
	CHECK_NEAR(ml_loss(ML_LOSS_TWEEDIE, 1 + 1e-9, 2, 1), ml_loss(ML_LOSS_TWEEDIE, 1, 2, 1), 1e-6);
	CHECK_NEAR(ml_loss(ML_LOSS_TWEEDIE, 2 + 1e-9, 2, 1), ml_loss(ML_LOSS_TWEEDIE, 2, 2, 1), 1e-6);
	CHECK(ml_loss_bad_row(ML_LOSS_TWEEDIE, 1.5, -1, 1) != NULL && ml_loss_bad_row(ML_LOSS_TWEEDIE, -1, -1, 1) == NULL);
	CHECK_NEAR(ml_class_log_loss(p, 3, 0), log(2), 1e-15);
	CHECK_NEAR(ml_class_log_loss(p, 3, -1), 36.04365338911715, 1e-12);
	CHECK_NEAR(ml_class_brier(p, 3, 0), .375, 1e-15);
	CHECK(ml_class_top_k(p, 3, 1, 1) == 0 && ml_class_top_k(p, 3, 1, 2) == .5 && ml_class_top_k(p, 3, 1, 3) == 1);
}

static void
test_orders(MlContext *ctx)
{
	MlRanked	rows[] = {{1, 0}, {2, 3}, {2, 0}, {0, 1}};

	(void) ctx;
	CHECK_NEAR(ml_dcg(rows, 4, 2), 1.5 * (1 + 1 / log2(3)), 1e-15);
	CHECK_NEAR(ml_ndcg(rows, 4, 1), 0.5, 1e-15);
	CHECK_NEAR(ml_reciprocal_rank(rows, 4), 0.75, 1e-15);
	CHECK(ml_precision_at_k(rows, 4, 1) == 0.5 && ml_recall_at_k(rows, 4, 3) == 0.5);
	CHECK(isnan(ml_ndcg(rows, 0, 5)) && isnan(ml_recall_at_k(rows, 0, 5)) && ml_reciprocal_rank(rows, 0) == 0);
}

/* Numbers of pairs beyond 64 bits. */
static void
test_agreement(MlContext *ctx)
{
	const double many = 0x1p40;
	const MlCell same[] = {{0, 0, many}, {1, 1, many}};
	const MlCell crossed[] = {{0, 0, many}, {0, 1, many}, {1, 0, many}, {1, 1, many}};
	MlAgreement out;

	ml_agreement(ctx, same, 2, 2, 2.0 * many, &out);
	CHECK_NEAR(out.ari, 1, 1e-12);
	CHECK_NEAR(out.v_measure, 1, 1e-12);
	ml_agreement(ctx, crossed, 4, 2, 4.0 * many, &out);
	CHECK(fabs(out.ari) < 1e-11 && out.v_measure == 0);
	ml_agreement(ctx, same, 0, 0, 0, &out);
	CHECK(isnan(out.ari) && isnan(out.v_measure));
}

static void
test_averages(MlContext *ctx)
{
	const MlTally tallies[] = {{3, 4, 3}, {1, 1, 2}, {0, 0, 0}};

	(void) ctx;
	CHECK(ml_average_named("macro", 5) == ML_AVERAGE_MACRO && ml_average_named("binary", 6) == ML_AVERAGE_BINARY);
	CHECK(ml_average_named("macros", 6) == -1 && ml_average_named("", 0) == -1);
	CHECK_NEAR(ml_tally_average(tallies, 3, 1, ML_SCORE_PRECISION, 1, ML_AVERAGE_DEFAULT), 0.5, 1e-15);
	CHECK_NEAR(ml_tally_average(tallies, 3, 1, ML_SCORE_PRECISION, 1, ML_AVERAGE_MACRO), 0.75, 1e-15);
	CHECK_NEAR(ml_tally_average(tallies, 3, 1, ML_SCORE_RECALL, 1, ML_AVERAGE_MICRO), 0.8, 1e-15);
	CHECK_NEAR(ml_tally_average(tallies, 3, 1, ML_SCORE_SPECIFICITY, 1, ML_AVERAGE_BINARY), 0.75, 1e-15);
	CHECK_NEAR(ml_tally_average(tallies, 3, -1, ML_SCORE_JACCARD, 1, ML_AVERAGE_WEIGHTED), (4 * .75 + .5) / 5, 1e-15);
	CHECK(isnan(ml_tally_average(tallies + 2, 1, -1, ML_SCORE_RECALL, 1, ML_AVERAGE_MACRO)));
	CHECK(isnan(ml_tally_kappa(tallies + 2, 1)));
}

UNIT_MAIN(
		  test_runs,
		  test_keys,
		  test_extreme_entries,
		  test_medians,
		  test_class_areas,
		  test_calibration,
		  test_losses,
		  test_orders,
		  test_agreement,
		  test_averages)
