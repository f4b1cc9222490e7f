/*
 * Features that are too good to be true: what is known only once the target is, and what names the row.
 *
 * Rows are taken by the least of their hashes, or of a stream from the sample that its bins are made of, and judged in
 * the order of these: so a training warns of the same in whatever order its rows were read.
 */
#include "model/leaks.h"

#include <string.h>

#include "model/split.h"
#include "score/profile.h"
#include "score/runs.h"

#define FEWEST_ROWS 200			/* below, chance may look like a leak */
#define PROSE_BLANKS 2			/* a string of texts, on average, at least */
#define IDENTIFIER_SHARE 0.95	/* distinct values of a category among the rows that have one */

/* The rows that are judged. */
typedef struct Judged
{
	const MlTable *table;
	const MlTrainSpec *spec;
	size_t		n;
	uint32_t	rows[ML_LEAK_ROWS]; /* of the table */
	double		y[ML_LEAK_ROWS];
	int			classes;
	const MlRowSample *sample;	/* of a stream, whose table has no features; else NULL */
	const int  *first_slot;		/* [features] in it */
	uint32_t	places[ML_LEAK_ROWS];	/* of the rows in it */
} Judged;

/* ---- which rows ---- */

/* The training rows of the least hashes. */
static void
choose_rows(MlContext *ctx, const MlTarget *target, const uint64_t *hashes, const uint8_t *sides, Judged *judged)
{
	MlKeyed    *keyed = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(MlKeyed));
	uint64_t   *keys = ml_alloc_array(ctx, target->n + 1, sizeof(uint64_t));
	uint64_t	bound = UINT64_MAX;
	size_t		candidates = 0;

	for (size_t i = 0; i < target->n; i++)
	{
		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		if (sides[target->rows[i]] == ML_SIDE_TRAIN)
			keys[candidates++] = ml_mix64(hashes[target->rows[i]]);
	}
	if (candidates > ML_LEAK_ROWS)
		bound = ml_select_key(keys, candidates, ML_LEAK_ROWS - 1);
	ml_check(ctx);
	for (size_t i = 0; i < target->n && judged->n < ML_LEAK_ROWS; i++)
		if (sides[target->rows[i]] == ML_SIDE_TRAIN && ml_mix64(hashes[target->rows[i]]) <= bound)
			keyed[judged->n++] = (MlKeyed) {ml_mix64(hashes[target->rows[i]]), i};
	ml_check(ctx);
	ml_sort_keyed(ctx, keyed, judged->n);
	for (size_t i = 0; i < judged->n; i++)
	{
		judged->rows[i] = target->rows[keyed[i].item];
		judged->y[i] = target->values[keyed[i].item];
	}
	ml_free(ctx, keys);
	ml_free(ctx, keyed);
}

/* The place of a row among those of the target, which ascend. */
static size_t
place_of(const MlTarget *target, uint32_t row)
{
	size_t		low = 0;
	size_t		high = target->n;

	while (low + 1 < high)
	{
		size_t		middle = (low + high) / 2;

		if (target->rows[middle] <= row)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Evenly spaced ones of the rows that a sample stands for, each member as often as it comes. */
static void
choose_sampled(const MlTarget *target, const MlSampledRows *sampled, Judged *judged)
{
	size_t		all = 0;
	size_t		passed = 0;
	size_t		member = 0;

	for (size_t i = 0; i < sampled->n; i++)
		all += sampled->counts[i];
	judged->n = all < ML_LEAK_ROWS ? all : ML_LEAK_ROWS;
	for (size_t i = 0; i < judged->n; i++)
	{
		size_t		row = (size_t) ((unsigned __int128) i * all / judged->n);

		while (passed + sampled->counts[member] <= row)
			passed += sampled->counts[member++];
		judged->rows[i] = sampled->rows[member];
		judged->places[i] = sampled->places[member];
		judged->y[i] = target->values[place_of(target, sampled->rows[member])];
	}
}

/* The values of a column in the rows. */
static void
read_column(const Judged *judged, int column, double *out)
{
	for (size_t i = 0; i < judged->n; i++)
		ml_column_read(judged->table->columns[column], 0, &judged->rows[i], 0, 1, &out[i]);
}

/* The values of a feature in them. */
static void
read_feature(const Judged *judged, int feature, double *out)
{
	const MlRowSample *sample = judged->sample;

	if (sample == NULL)
		read_column(judged, feature, out);
	else
		for (size_t i = 0; i < judged->n; i++)
			out[i] = sample->values[judged->places[i] * sample->width + (size_t) judged->first_slot[feature]];
}

/* ---- what they tell ---- */

/* Does a category have another value in almost every row? */
static bool
names_rows(const MlColumn *column)
{
	size_t		values = column->rows - column->nulls;

	return column->kind == ML_KIND_CATEGORY && values >= FEWEST_ROWS &&
		(double) column->dictionary->count >= IDENTIFIER_SHARE * (double) values;
}

/* Do the strings of a category have so many words that they may be texts? */
static bool
is_prose(const MlColumn *column)
{
	const MlDictionary *d = column->dictionary;
	size_t		blanks = 0;

	for (uint32_t code = 0; code < d->count; code++)
		for (const char *p = strchr(d->strings[code], ' '); p != NULL; p = strchr(p + 1, ' '))
			blanks++;
	return blanks >= PROSE_BLANKS * (size_t) d->count;
}

void
ml_leaks_warn_skill(MlContext *ctx, const char *feature, double rows, double skill)
{
	if (rows >= FEWEST_ROWS && skill >= ML_LEAK_SKILL)
		ctx->warn(ctx, ml_format(ctx, "feature \"%s\" alone predicts the target almost perfectly", feature),
				  ml_format(ctx, "It explains %.1f %% of it. If it is known only afterwards, leave it out.",
							100 * skill));
}

/* Warn of one feature, of which x are the values in the rows judged. */
static void
judge(MlContext *ctx, const MlColumn *column, const double *x, const Judged *judged)
{
	if (names_rows(column))
		ctx->warn(ctx, ml_format(ctx, "feature \"%s\" is different in almost every row", column->name),
				  is_prose(column) ? "As a category it tells nothing of rows to come; \"text\" in preprocess makes "
				  "terms of its words." :
				  "Like an identifier, it tells nothing of rows to come.");
	else
		ml_leaks_warn_skill(ctx, column->name, (double) judged->n,
							ml_feature_skill(ctx, x, column->kind == ML_KIND_CATEGORY, judged->y, judged->classes,
											 judged->n));
}

/* Warn of a time that is later than the one that orders the rows. */
static void
judge_time(MlContext *ctx, const MlColumn *column, const double *x, const double *order, size_t n)
{
	size_t		later = 0;

	for (size_t i = 0; i < n; i++)
		later += x[i] > order[i];
	if (later > 0)
		ctx->warn(ctx, ml_format(ctx, "feature \"%s\" is later than the time that orders the rows", column->name),
				  ml_format(ctx, "It is in %zu of %zu rows that were looked at, so it may not be known when the model "
							"is used.", later, n));
}

/* Is the type one of moments? */
static bool
is_moment(const char *type)
{
	return strcmp(type, "date") == 0 || strncmp(type, "timestamp", 9) == 0;
}

/* Warn of all features. */
static void
judge_all(MlContext *ctx, const Judged *judged)
{
	const MlTrainSpec *spec = judged->spec;
	bool		in_time = spec->split.kind == ML_SPLIT_LAST && spec->order_is_moment;
	double	   *x = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(double));
	double	   *order = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(double));

	if (in_time)
		read_column(judged, spec->split_column, order);
	for (int f = 0; f < spec->nfeatures && judged->n >= FEWEST_ROWS; f++)
	{
		const MlColumn *column = judged->table->columns[f];

		if (column->kind == ML_KIND_VECTOR || column->kind == ML_KIND_TEXT)
			continue;
		read_feature(judged, f, x);
		judge(ctx, column, x, judged);
		if (in_time && is_moment(spec->feature_types[f]))
			judge_time(ctx, column, x, order, judged->n);
		ml_check(ctx);
	}
	ml_free(ctx, order);
	ml_free(ctx, x);
}

/* Rows of a training that are still to be chosen. */
static Judged *
begin_judging(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target)
{
	Judged	   *judged = ml_alloc(ctx, sizeof *judged);

	judged->table = table;
	judged->spec = spec;
	judged->n = 0;
	judged->classes = target->nclasses;
	judged->sample = NULL;
	return judged;
}

void
ml_leaks_warn(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
			  const uint64_t *hashes, const uint8_t *sides)
{
	Judged	   *judged = begin_judging(ctx, table, spec, target);

	choose_rows(ctx, target, hashes, sides, judged);
	judge_all(ctx, judged);
	ml_free(ctx, judged);
}

void
ml_leaks_warn_sampled(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
					  const MlRowSample *sample, const int *first_slot, const MlSampledRows *sampled)
{
	Judged	   *judged = begin_judging(ctx, table, spec, target);

	judged->sample = sample;
	judged->first_slot = first_slot;
	choose_sampled(target, sampled, judged);
	judge_all(ctx, judged);
	ml_free(ctx, judged);
}
