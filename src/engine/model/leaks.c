/*
 * Features that are too good to be true: what is known only once the target is, and what names the row.
 *
 * Rows are taken by the least of their hashes, so the same rows are judged in whatever order they were read.
 */
#include "model/leaks.h"

#include <string.h>

#include "model/split.h"
#include "score/profile.h"

#define FEWEST_ROWS 200			/* below, chance may look like a leak */
#define IDENTIFIER_SHARE 0.95	/* distinct values of a category among the rows that have one */

/* The training rows that are judged, at most ML_LEAK_ROWS; their places among those of the target go to places. */
static size_t
choose_rows(MlContext *ctx, const MlTarget *target, const uint64_t *hashes, const uint8_t *sides, uint32_t *places)
{
	uint64_t   *keys = ml_alloc_array(ctx, target->n + 1, sizeof(uint64_t));
	uint64_t	bound = UINT64_MAX;
	size_t		candidates = 0;
	size_t		n = 0;

	for (size_t i = 0; i < target->n; i++)
		if (sides[target->rows[i]] == ML_SIDE_TRAIN)
			keys[candidates++] = ml_mix64(hashes[target->rows[i]]);
	if (candidates > ML_LEAK_ROWS)
		bound = ml_select_key(keys, candidates, ML_LEAK_ROWS - 1);
	for (size_t i = 0; i < target->n && n < ML_LEAK_ROWS; i++)
		if (sides[target->rows[i]] == ML_SIDE_TRAIN && ml_mix64(hashes[target->rows[i]]) <= bound)
			places[n++] = (uint32_t) i;
	ml_free(ctx, keys);
	return n;
}

/* Does a category have another value in almost every row? */
static bool
names_rows(const MlColumn *column)
{
	size_t		values = column->rows - column->nulls;

	return column->kind == ML_KIND_CATEGORY && values >= FEWEST_ROWS && (double) column->dictionary->count >= IDENTIFIER_SHARE * (double) values;
}

/* Warn of one feature, of which x are the values in the rows judged. */
static void
judge(MlContext *ctx, const MlColumn *column, const double *x, const double *y, int classes, size_t n)
{
	double		skill;

	if (names_rows(column))
	{
		ctx->warn(ctx, ml_format(ctx, "feature \"%s\" is different in almost every row", column->name),
				  "Like an identifier, it tells nothing of rows to come.");
		return;
	}
	skill = ml_feature_skill(ctx, x, column->kind == ML_KIND_CATEGORY, y, classes, n);
	if (skill >= ML_LEAK_SKILL)
		ctx->warn(ctx, ml_format(ctx, "feature \"%s\" alone predicts the target almost perfectly", column->name),
				  ml_format(ctx, "It explains %.1f %% of it. If it is known only afterwards, leave it out.", 100 * skill));
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
				  ml_format(ctx, "It is in %zu of %zu rows that were looked at, so it may not be known when the model is used.", later, n));
}

/* Is the type one of moments? */
static bool
is_moment(const char *type)
{
	return strcmp(type, "date") == 0 || strncmp(type, "timestamp", 9) == 0;
}

void
ml_leaks_warn(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
			  const uint64_t *hashes, const uint8_t *sides)
{
	uint32_t   *places = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(uint32_t));
	uint32_t   *rows = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(uint32_t));
	double	   *x = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(double));
	double	   *y = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(double));
	double	   *order = ml_alloc_array(ctx, ML_LEAK_ROWS, sizeof(double));
	size_t		n = choose_rows(ctx, target, hashes, sides, places);

	for (size_t i = 0; i < n; i++)
	{
		rows[i] = target->rows[places[i]];
		y[i] = target->values[places[i]];
	}
	if (spec->split.kind == ML_SPLIT_LAST)
		ml_column_read(table->columns[spec->split_column], 0, rows, 0, n, order);
	for (int f = 0; f < spec->nfeatures && n >= FEWEST_ROWS; f++)
	{
		const MlColumn *column = table->columns[f];

		if (column->kind == ML_KIND_VECTOR)
			continue;
		ml_column_read(column, 0, rows, 0, n, x);
		judge(ctx, column, x, y, target->nclasses, n);
		if (spec->split.kind == ML_SPLIT_LAST && spec->order_is_moment && is_moment(spec->feature_types[f]))
			judge_time(ctx, column, x, order, n);
		ml_check(ctx);
	}
	ml_free(ctx, order);
	ml_free(ctx, y);
	ml_free(ctx, x);
	ml_free(ctx, rows);
	ml_free(ctx, places);
}
