#include "model/groups.h"

#include <string.h>

#include "model/split.h"
#include "score/runs.h"

/* The hash of a value of a column: of its content, not of the number that stands for it. */
static uint64_t
value_hash(const MlColumn *column, double value)
{
	if (column->kind == ML_KIND_CATEGORY)
		return column->dictionary->hashes[(size_t) value];
	return ml_mix64(ml_number_bits(value));
}

/* The values of the column in some rows; raises on NULL. */
static double *
read_values(MlContext *ctx, const MlColumn *column, const uint32_t *rows, size_t n)
{
	double	   *values = ml_alloc_array(ctx, n + 1, sizeof(double));
	size_t		missing = 0;

	ml_column_read(column, 0, rows, 0, n, values);
	for (size_t i = 0; i < n; i++)
		missing += values[i] != values[i];
	if (missing > 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_DATA,
					  ml_format(ctx, "group column \"%s\" contains NULL or NaN", column->name),
					  ml_format(ctx, "%zu of %zu rows have no group.", missing, n), "Filter these rows out.");
	return values;
}

MlGroups *
ml_groups_read(MlContext *ctx, const MlTable *table, int column, const uint32_t *rows, size_t n)
{
	MlGroups   *groups = ml_alloc_zero(ctx, sizeof *groups);
	double	   *values = read_values(ctx, table->columns[column], rows, n);
	MlKeyed	   *keyed = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));

	/* equal values lie together once they are sorted by their hash; two values of one hash are one group */
	for (size_t i = 0; i < n; i++)
	{
		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		keyed[i] = (MlKeyed) {value_hash(table->columns[column], values[i]), rows[i]};
	}
	ml_free(ctx, values);
	ml_sort_keyed(ctx, keyed, n);
	groups->of_row = ml_alloc_array(ctx, table->rows + 1, sizeof(uint32_t));
	for (size_t i = 0; i < n; i++)
	{
		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		groups->count += i == 0 || keyed[i].key != keyed[i - 1].key;
		groups->of_row[keyed[i].item] = (uint32_t) (groups->count - 1);
	}
	groups->hash = ml_alloc_array(ctx, groups->count + 1, sizeof(uint64_t));
	groups->rows = ml_alloc_array_zero(ctx, groups->count + 1, sizeof(size_t));
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	g = groups->of_row[keyed[i].item];

		if (i % ML_CHUNK_ROWS == 0)
			ml_check(ctx);
		groups->hash[g] = keyed[i].key;
		groups->rows[g]++;
	}
	ml_free(ctx, keyed);
	return groups;
}

void
ml_groups_mark(MlContext *ctx, const MlGroups *groups, const MlSplit *split, const uint32_t *rows, size_t n,
			   uint8_t *test)
{
	MlKeyed	   *keyed = ml_alloc_array(ctx, groups->count + 1, sizeof(MlKeyed));
	uint8_t    *held_out = ml_alloc_zero(ctx, groups->count + 1);
	double		wanted = (double) n * ml_split_share(ctx, split, n);
	size_t		taken = 0;
	size_t		smallest = 0;

	for (size_t g = 0; g < groups->count; g++)
		keyed[g] = (MlKeyed) {ml_mix64(groups->hash[g] ^ ml_mix64(split->seed)), g};
	ml_sort_keyed(ctx, keyed, groups->count);
	/* a group that would pass the share by more than it lacks is left to learn from, so that none swallows a side */
	for (size_t i = 0; i < groups->count; i++)
	{
		double		rows_of_group = (double) groups->rows[keyed[i].item];

		if (groups->rows[keyed[i].item] < groups->rows[smallest])
			smallest = keyed[i].item;
		if ((double) taken + rows_of_group / 2 > wanted)
			continue;
		held_out[keyed[i].item] = 1;
		taken += groups->rows[keyed[i].item];
	}
	ml_check(ctx);
	/* one group at least on either side, where there are two */
	if (taken == 0 && groups->count > 1)
		held_out[smallest] = 1;
	else if (taken == n)
		held_out[smallest] = 0;
	for (size_t i = 0; i < n; i++)
		test[rows[i]] = held_out[groups->of_row[rows[i]]];
	ml_free(ctx, held_out);
	ml_free(ctx, keyed);
}

uint32_t *
ml_groups_sort(MlContext *ctx, const MlGroups *groups, uint32_t *rows, size_t n)
{
	size_t	   *place = ml_alloc_array_zero(ctx, groups->count + 2, sizeof(size_t));
	uint32_t   *sorted = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));
	uint32_t   *group = ml_alloc_array(ctx, n + 1, sizeof(uint32_t));

	for (size_t i = 0; i < n; i++)
		place[groups->of_row[rows[i]] + 1]++;
	for (size_t g = 1; g <= groups->count; g++)
		place[g] += place[g - 1];
	for (size_t i = 0; i < n; i++)
		sorted[place[groups->of_row[rows[i]]]++] = rows[i];
	memcpy(rows, sorted, n * sizeof(uint32_t));
	for (size_t i = 0; i < n; i++)
		group[i] = groups->of_row[rows[i]];
	ml_free(ctx, sorted);
	ml_free(ctx, place);
	return group;
}
