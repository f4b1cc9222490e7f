#include "model/sample.h"

#include <stdlib.h>
#include <string.h>

#include "model/split.h"

#define FIRST_ROWS 256			/* room begins small and doubles */

static inline uint64_t
key_of(const MlRowSample *s, uint64_t hash)
{
	return ~ml_mix64(hash ^ s->mix);
}

/* ---- members ---- */

/* The slot of a key, or where it would go. */
static size_t
find_slot(const MlRowSample *s, uint64_t key)
{
	size_t		slot = (size_t) ml_mix64(key) & (s->nslots - 1);

	while (s->slots[slot] >= 0 && s->keys[s->slots[slot]] != key)
		slot = (slot + 1) & (s->nslots - 1);
	return slot;
}

/* Enter all members into the slots anew. */
static void
fill_slots(MlRowSample *s)
{
	memset(s->slots, 0xff, s->nslots * sizeof *s->slots);
	for (size_t i = 0; i < s->count; i++)
		s->slots[find_slot(s, s->keys[i])] = (int32_t) i;
}

/* Make room for more members. */
static void
grow(MlContext *ctx, MlRowSample *s)
{
	size_t		most = s->limit + s->limit / 8;
	size_t		capacity = s->capacity == 0 ? FIRST_ROWS : 2 * s->capacity;

	capacity = capacity < most ? capacity : most;
	s->keys = ml_realloc(ctx, s->keys, capacity * sizeof *s->keys);
	s->places = ml_realloc(ctx, s->places, capacity * sizeof *s->places);
	s->values = ml_realloc(ctx, s->values, capacity * s->width * sizeof *s->values + 1);
	for (size_t i = s->capacity; i < capacity; i++)
		s->places[i] = (uint32_t) i;
	s->capacity = capacity;
	s->nslots = s->nslots == 0 ? 1 : s->nslots;
	while (s->nslots < 2 * capacity)
		s->nslots *= 2;
	ml_free(ctx, s->slots);
	s->slots = ml_alloc_array(ctx, s->nslots, sizeof *s->slots);
	fill_slots(s);
}

/* Keep the members of the smallest keys, as many as the limit says. */
static void
prune(MlContext *ctx, MlRowSample *s)
{
	size_t		kept = 0;

	if (s->count <= s->limit)
		return;
	if (s->scratch == NULL)
		s->scratch = ml_alloc_array(ctx, s->capacity, sizeof *s->scratch);
	memcpy(s->scratch, s->keys, s->count * sizeof *s->keys);
	s->bound = ml_select_key(s->scratch, s->count, s->limit - 1);
	for (size_t i = 0; i < s->count; i++)
		if (s->keys[i] <= s->bound)
		{
			uint32_t	place = s->places[i];

			s->places[i] = s->places[kept];
			s->places[kept] = place;
			s->keys[kept++] = s->keys[i];
		}
	s->count = kept;
	fill_slots(s);
}

/* ---- offering ---- */

MlRowSample *
ml_row_sample_create(MlContext *ctx, const MlTrainSpec *spec, int slots, size_t width)
{
	MlRowSample *s = ml_alloc_zero(ctx, sizeof *s);

	s->limit = ml_bins_sample_rows((size_t) slots);
	s->width = width;
	s->mix = ml_mix64(spec->split.seed);
	s->bound = UINT64_MAX;
	return s;
}

/* The value of a column in a row. */
static double
value_at(const MlTable *table, int column, uint32_t row)
{
	double		value;

	ml_column_read(table->columns[column], 0, &row, 0, 1, &value);
	return value;
}

/* Can the row be a training row that counts, by what it says itself? */
static bool
takes_part(MlRowSample *s, const MlTable *table, const MlTrainSpec *spec, uint32_t row)
{
	double		flag;

	if (spec->target >= 0)
	{
		double		target = value_at(table, spec->target, row);

		if (target != target)
			return false;
	}
	if (spec->split.kind == ML_SPLIT_COLUMN)
	{
		flag = value_at(table, spec->split_column, row);
		if (flag == flag && flag != 0)
			return false;
	}
	if (spec->weight >= 0 && !(value_at(table, spec->weight, row) > 0))
	{
		s->weightless = true;
		return false;
	}
	return true;
}

double *
ml_row_sample_offer(MlContext *ctx, MlRowSample *s, const MlTable *table, const MlTrainSpec *spec,
					uint32_t row, uint64_t hash)
{
	uint64_t	key = key_of(s, hash);
	size_t		slot;

	if (key > s->bound || !takes_part(s, table, spec, row))
		return NULL;
	if (s->count == s->capacity)
	{
		if (s->capacity == s->limit + s->limit / 8)
			prune(ctx, s);
		else
			grow(ctx, s);
		if (key > s->bound)
			return NULL;
	}
	slot = find_slot(s, key);
	if (s->slots[slot] >= 0)
		return NULL;
	s->slots[slot] = (int32_t) s->count;
	s->keys[s->count] = key;
	return s->values + s->width * s->places[s->count++];
}

/* ---- closing ---- */

typedef struct Member
{
	uint64_t	key;
	uint32_t	number;
} Member;

static int
by_key(const void *a, const void *b)
{
	uint64_t	x = ((const Member *) a)->key;
	uint64_t	y = ((const Member *) b)->key;

	return (x > y) - (x < y);
}

/* Count the training rows of each member and find one of them. */
static void
count_rows(const MlRowSample *s, const MlTarget *target, const uint64_t *hashes, const uint8_t *test,
		   uint32_t *counts, uint32_t *rows)
{
	for (size_t i = 0; i < target->n; i++)
	{
		uint32_t	row = target->rows[i];
		uint64_t	key = key_of(s, hashes[row]);
		int32_t		member;

		if (test[row] || key > s->bound)
			continue;
		member = s->slots[find_slot(s, key)];
		if (member >= 0 && counts[member]++ == 0)
			rows[member] = row;
	}
}

bool
ml_row_sample_close(MlContext *ctx, MlRowSample *s, const MlTable *table, const MlTrainSpec *spec,
					const MlTarget *target, const uint64_t *hashes, const uint8_t *test, MlSampledRows *sampled)
{
	uint32_t   *counts;
	uint32_t   *rows;
	Member	   *members;

	memset(sampled, 0, sizeof *sampled);
	if (s->count == 0)
		return false;
	prune(ctx, s);
	counts = ml_alloc_array_zero(ctx, s->count, sizeof *counts);
	rows = ml_alloc_array(ctx, s->count, sizeof *rows);
	members = ml_alloc_array(ctx, s->count, sizeof *members);
	count_rows(s, target, hashes, test, counts, rows);
	for (size_t i = 0; i < s->count; i++)
		if (counts[i] > 0)
			members[sampled->n++] = (Member) {s->keys[i], (uint32_t) i};
	qsort(members, sampled->n, sizeof *members, by_key);
	sampled->rows = ml_alloc_array(ctx, sampled->n + 1, sizeof(uint32_t));
	sampled->places = ml_alloc_array(ctx, sampled->n + 1, sizeof(uint32_t));
	sampled->weights = ml_alloc_array(ctx, sampled->n + 1, sizeof(double));
	sampled->counts = ml_alloc_array(ctx, sampled->n + 1, sizeof(uint32_t));
	for (size_t i = 0; i < sampled->n; i++)
	{
		uint32_t	number = members[i].number;

		sampled->rows[i] = rows[number];
		sampled->places[i] = s->places[number];
		sampled->counts[i] = counts[number];
		sampled->weights[i] = counts[number] * (spec->weight >= 0 ? value_at(table, spec->weight, rows[number]) : 1.0);
	}
	sampled->all = s->bound == UINT64_MAX && !s->weightless;
	ml_free(ctx, members);
	ml_free(ctx, rows);
	ml_free(ctx, counts);
	return sampled->n > 0 && (s->bound == UINT64_MAX || sampled->n >= ML_TREE_SAMPLE_LEAST / 2);
}

void
ml_row_sample_free(MlContext *ctx, MlRowSample *s)
{
	ml_free(ctx, s->keys);
	ml_free(ctx, s->places);
	ml_free(ctx, s->values);
	ml_free(ctx, s->slots);
	ml_free(ctx, s->scratch);
	ml_free(ctx, s);
}

void
ml_sampled_rows_free(MlContext *ctx, MlSampledRows *sampled)
{
	ml_free(ctx, sampled->rows);
	ml_free(ctx, sampled->places);
	ml_free(ctx, sampled->weights);
	ml_free(ctx, sampled->counts);
}
