#include "model/binned.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"

#define PIECE_ROWS 1024			/* rows of a piece of work; whole blocks */
#define GATHER_ROWS 8192		/* rows of a piece of a copy */
#define BATCH_BYTES ((size_t) 16 << 20)	/* of values between two takes, at most */
#define FIRST_BATCH 256			/* rows, while nothing is known about them */

/* ---- which columns are kept ---- */

/* Is it a feature of numbers, whose values are never kept? */
static inline bool
is_numeric(const MlStream *s, int column)
{
	return column < s->spec->nfeatures && s->table->columns[column]->kind != ML_KIND_CATEGORY;
}

/* The row of a column's rows that the first row not yet taken is. */
static size_t
base_row(const MlStream *s, int column)
{
	bool		emptied = s->phase == ML_STREAM_BINNING ? column < s->spec->nfeatures : is_numeric(s, column);

	return emptied ? 0 : s->taken;
}

/* Slots of all features as far as they are known; known tells whether all are. */
static size_t
count_slots(const MlStream *s, bool *known)
{
	size_t		slots = 0;

	*known = true;
	for (int f = 0; f < s->spec->nfeatures; f++)
	{
		*known &= s->table->columns[f]->width > 0;
		slots += (size_t) s->table->columns[f]->width;
	}
	return slots;
}

/* ---- creating ---- */

/* The bins that an algorithm divides values into, by its parameters; 0 = it does not. */
static int
bins_of(const MlAlgorithm *algorithm, const void *params)
{
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		if (strcmp(p->name, "max_bins") == 0 && p->type == ML_PARAM_INT)
			return (int) *(const int64_t *) ((const char *) params + p->offset);
	return 0;
}

MlStream *
ml_stream_create(MlContext *ctx, const MlTrainSpec *spec, MlTable *table, size_t threshold)
{
	MlStream   *s;
	int			max_bins;

	/* trees that are there already have edges of their own */
	if (spec->algorithm == NULL || !spec->algorithm->native_inputs || spec->retrain != NULL)
		return NULL;
	/* what steps make of a value is no bin of it */
	if (ml_prep_wants_steps(ctx, spec->preprocess))
		return NULL;
	max_bins = bins_of(spec->algorithm, ml_params_parse(ctx, spec->algorithm, spec->params));
	if (max_bins == 0)
		return NULL;
	s = ml_alloc_zero(ctx, sizeof *s);
	*s = (MlStream) {
		.ctx = ctx,.spec = spec,.table = table,.may_survey = true,.threshold = threshold,.max_bins = max_bins
	};
	return s;
}

size_t
ml_stream_batch(const MlStream *s)
{
	bool		known;
	size_t		slots = count_slots(s, &known);
	size_t		rows = BATCH_BYTES / (sizeof(double) * (slots + 1));

	if (s->taken == 0 && s->phase == ML_STREAM_LOADING)
		return FIRST_BATCH;
	rows -= rows % PIECE_ROWS;
	return rows < FIRST_BATCH ? FIRST_BATCH : rows > ML_CHUNK_ROWS ? ML_CHUNK_ROWS : rows;
}

/* ---- the survey ---- */

/* Know the slots of the features, now that all widths are known. */
static void
begin_survey(MlStream *s)
{
	bool		known;
	size_t		moments;

	s->phase = ML_STREAM_SURVEY;
	s->slots = (int) count_slots(s, &known);
	s->first_slot = ml_alloc_array_zero(s->ctx, (size_t) s->spec->nfeatures + 1, sizeof(int));
	for (int f = 0; f < s->spec->nfeatures; f++)
		s->first_slot[f + 1] = s->first_slot[f] + s->table->columns[f]->width;
	moments = (size_t) ml_thread_count(s->ctx) * (size_t) s->slots;
	s->moments = ml_alloc_array(s->ctx, moments + 1, sizeof(MlMoments));
	for (size_t i = 0; i < moments; i++)
		ml_moments_init(&s->moments[i]);
	s->sample = ml_row_sample_create(s->ctx, s->spec, s->slots, (size_t) s->slots);
}

/* Make room for the hashes of that many rows. */
static void
grow_hashes(MlStream *s, size_t rows)
{
	if (rows <= s->capacity)
		return;
	if (rows >= UINT32_MAX)
		ml_raise(s->ctx, ML_ERROR_MEMORY, "more than %u rows cannot be trained on in memory", UINT32_MAX - 1);
	s->capacity = rows > s->capacity + s->capacity / 2 ? rows : s->capacity + s->capacity / 2;
	s->hashes = ml_realloc(s->ctx, s->hashes, s->capacity * sizeof *s->hashes);
}

/* Hash the content of some of the rows to be taken. */
static void
hash_rows(MlStream *s, size_t begin, size_t n)
{
	uint64_t   *hashes = s->hashes + s->taken + begin;

	memset(hashes, 0, n * sizeof *hashes);
	for (int c = 0; c < s->table->ncolumns; c++)
		ml_column_hash(s->table->columns[c], (uint64_t) c, base_row(s, c) + begin, n, hashes);
}

/* Hash some of the rows to be taken and widen the range of their values. */
static void
survey_piece(void *arg, size_t begin, size_t end, int worker)
{
	MlStream   *s = arg;
	MlMoments  *moments = s->moments + (size_t) worker * (size_t) s->slots;
	double		block[ML_BLOCK_ROWS];

	hash_rows(s, begin, end - begin);
	for (int f = 0; f < s->spec->nfeatures; f++)
		for (int slot = s->first_slot[f]; slot < s->first_slot[f + 1] && is_numeric(s, f); slot++)
			for (size_t i = begin; i < end; i += ML_BLOCK_ROWS)
			{
				size_t		n = end - i > ML_BLOCK_ROWS ? ML_BLOCK_ROWS : end - i;

				ml_column_read(s->table->columns[f], slot - s->first_slot[f], NULL, i, n, block);
				ml_moments_add(&moments[slot], block, n);
			}
}

/* Offer the rows to be taken to the sample. */
static void
offer_rows(MlStream *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		double	   *values = ml_row_sample_offer(s->ctx, s->sample, s->table, s->spec, (uint32_t) (s->taken + i),
												 s->hashes[s->taken + i]);

		for (int f = 0; f < s->spec->nfeatures && values != NULL; f++)
			for (int slot = s->first_slot[f]; slot < s->first_slot[f + 1]; slot++)
				ml_column_read(s->table->columns[f], slot - s->first_slot[f], NULL, base_row(s, f) + i, 1,
							   values + slot);
	}
}

/* Survey the n rows to be taken and drop their numbers. */
static void
survey(MlStream *s, size_t n)
{
	grow_hashes(s, s->taken + n);
	ml_parallel_for(s->ctx, n, PIECE_ROWS, survey_piece, s);
	offer_rows(s, n);
	for (int f = 0; f < s->spec->nfeatures; f++)
		if (is_numeric(s, f))
			ml_column_empty(s->ctx, s->table->columns[f]);
}

const MlMoments *
ml_stream_moments(MlStream *s, const MlSampledRows *sampled)
{
	for (int slot = 0; slot < s->slots; slot++)
	{
		MlMoments  *m = &s->moments[slot];

		for (int worker = 1; worker < ml_thread_count(s->ctx); worker++)
			ml_moments_merge(m, &s->moments[worker * s->slots + slot]);
		if (!sampled->all)
			continue;
		ml_moments_init(m);
		for (size_t i = 0; i < sampled->n; i++)
			ml_moments_add(m, &s->sample->values[sampled->places[i] * s->sample->width + (size_t) slot], 1);
	}
	return s->moments;
}

/* ---- between the scans ---- */

/* The digest of rows by their hashes. */
static MlDigest
digest_of(const uint64_t *hashes, size_t n)
{
	MlDigest	digest = {0, 0};

	for (size_t i = 0; i < n; i++)
		ml_digest_add(&digest, hashes[i]);
	return digest;
}

/* Forget the rows of the first scan. */
static void
empty_table(MlStream *s)
{
	for (int c = 0; c < s->table->ncolumns; c++)
	{
		MlColumn   *column = s->table->columns[c];

		ml_column_empty(s->ctx, column);
		column->rows = column->nulls = column->nonfinite = column->nan_values = 0;
	}
	s->table->rows = 0;
	s->taken = 0;
}

typedef struct PrepareJob
{
	const MlStream *stream;
	const MlSampledRows *sampled;
	double	  **levels;			/* [columns] of codes, NULL for numbers */
	double	   *out;			/* [columns][rows of the sample] */
} PrepareJob;

/* The prepared values of some sampled rows, a block of rows at a time since the rows of the sample lie anywhere. */
static void
prepare_piece(void *arg, size_t begin, size_t end, int worker)
{
	const PrepareJob *job = arg;
	const MlStream *s = job->stream;
	const MlRowSample *sample = s->sample;
	int			p = ml_prep_columns(s->prep);
	double		raw[ML_BLOCK_ROWS];

	(void) worker;
	for (int j = 0; j < p; j++)
	{
		size_t		slot = (size_t) ml_prep_column(s->prep, j)->slot;

		for (size_t i = begin; i < end; i++)
		{
			double		value = sample->values[job->sampled->places[i] * sample->width + slot];

			raw[i - begin] = job->levels[j] != NULL && value == value ? job->levels[j][(size_t) value] : value;
		}
		ml_prep_apply_column(s->prep, j, raw, end - begin, job->out + (size_t) j * job->sampled->n + begin);
	}
}

/* What the bins of a column read as. */
static double *
decode_column(const MlStream *s, int column)
{
	const MlBinColumn *bins = &s->bins->column[column];
	double		last = s->moments[ml_prep_column(s->prep, column)->slot].max;
	double	   *decoded = ml_alloc_array(s->ctx, (size_t) bins->nbins + 1, sizeof(double));

	for (int b = 0; b <= bins->nbins; b++)
		decoded[b] = NAN;
	for (int level = 0; level < bins->levels; level++)
		if (bins->level_bins[level] < bins->nbins)
			decoded[bins->level_bins[level]] = level;
	if (bins->levels > 0)
		return decoded;
	for (int b = 0; b + 1 < bins->nbins; b++)
		decoded[b] = bins->edges[b];
	if (bins->nbins > 1 && !(last > bins->edges[bins->nbins - 2]))
		last = nextafter(bins->edges[bins->nbins - 2], INFINITY);
	decoded[bins->nbins - 1] = last;
	return decoded;
}

/* The level of each string of a category. */
static double *
find_levels(const MlStream *s, int feature)
{
	const MlDictionary *d = s->table->columns[feature]->dictionary;
	double	   *levels = ml_alloc_array(s->ctx, (size_t) d->count + 1, sizeof(double));

	for (uint32_t code = 0; code < d->count; code++)
		levels[code] = ml_prep_encode(s->prep, feature, d->strings[code], d->lengths[code]);
	return levels;
}

/* The bin of each string of a category and, last, of NULL. */
static int32_t *
find_code_bins(const MlStream *s, int column, const double *levels, uint32_t codes)
{
	int32_t    *bins = ml_alloc_array(s->ctx, (size_t) codes + 1, sizeof(int32_t));

	for (uint32_t code = 0; code <= codes; code++)
	{
		double		raw = code < codes ? levels[code] : NAN;
		double		prepared;

		ml_prep_apply_column(s->prep, column, &raw, 1, &prepared);
		ml_bins_find(&s->bins->column[column], &prepared, 1, &bins[code]);
	}
	return bins;
}

/* Make the bins of all prepared columns. */
static void
make_bins(MlStream *s, const MlSampledRows *sampled)
{
	MlContext  *ctx = s->ctx;
	size_t		p = (size_t) ml_prep_columns(s->prep);
	double	   *values = ml_alloc_array(ctx, p * sampled->n + 1, sizeof(double));
	double	  **levels = ml_alloc_array_zero(ctx, p + 1, sizeof(double *));
	MlBinSample sample = {sampled->n, values, sampled->weights};

	for (size_t j = 0; j < p; j++)
	{
		const MlPreparedColumn *c = ml_prep_column(s->prep, (int) j);

		if (c->kind == ML_PREPARED_CATEGORY)
			levels[j] = find_levels(s, c->feature);
	}
	ml_parallel_for(ctx, sampled->n, ML_BLOCK_ROWS, prepare_piece, &(PrepareJob) {s, sampled, levels, values});
	ml_row_sample_free(ctx, s->sample);
	s->sample = NULL;
	s->bins = ml_bins_from_sample(ctx, (int) p, ml_prep_levels(s->prep), &sample, s->max_bins,
								  s->spec->algorithm->most_levels);
	ml_free(ctx, values);
	s->bin_of_code = ml_alloc_array_zero(ctx, p + 1, sizeof(int32_t *));
	s->codes = ml_alloc_array_zero(ctx, p + 1, sizeof(uint32_t));
	s->decoded = ml_alloc_array(ctx, p + 1, sizeof(double *));
	for (size_t j = 0; j < p; j++)
	{
		s->decoded[j] = decode_column(s, (int) j);
		if (levels[j] == NULL)
			continue;
		s->codes[j] = s->table->columns[ml_prep_column(s->prep, (int) j)->feature]->dictionary->count;
		s->bin_of_code[j] = find_code_bins(s, (int) j, levels[j], s->codes[j]);
		ml_free(ctx, levels[j]);
	}
	ml_free(ctx, levels);
}

void
ml_stream_rewind(MlStream *s, const MlPrep *prep, const MlSampledRows *sampled)
{
	s->prep = prep;
	make_bins(s, sampled);
	s->rows = s->taken;
	s->digest = digest_of(s->hashes, s->rows);
	empty_table(s);
	ml_bins_make_room(s->ctx, s->bins, s->rows);
	s->phase = ML_STREAM_BINNING;
}

void
ml_stream_reload(MlStream *s)
{
	ml_row_sample_free(s->ctx, s->sample);
	ml_free(s->ctx, s->hashes);
	ml_free(s->ctx, s->moments);
	empty_table(s);
	s->phase = ML_STREAM_LOADING;
	s->may_survey = false;
}

/* ---- binning ---- */

/* Raise: the two scans gave different rows. */
static void __attribute__((noreturn))
raise_changed(MlContext *ctx, const char *detail)
{
	ml_raise_full(ctx, ML_ERROR_INVALID_DATA, "the source gave other rows when it was read again", detail,
				  "A function in it gives other results each time but is not marked VOLATILE;"
				  " save its rows in a table first.");
}

/* The bytes of n (at most ML_BLOCK_ROWS) of the rows to be taken, in a column. */
static void
bin_column(const MlStream *s, int column, size_t begin, size_t n)
{
	const MlPreparedColumn *c = ml_prep_column(s->prep, column);
	int			track = s->bins->track_of[column];
	size_t		stride = (size_t) s->bins->group[s->bins->group_of[track]].count;
	uint8_t    *out = ml_bins_bytes(s->bins, track) + (s->taken + begin) * stride;
	const int32_t *bin_of_code = s->bin_of_code[column];
	uint32_t	codes = s->codes[column];
	double		values[ML_BLOCK_ROWS];
	int32_t		bins[ML_BLOCK_ROWS];

	ml_column_read(s->table->columns[c->feature], c->slot - s->first_slot[c->feature], NULL, begin, n, values);
	if (bin_of_code == NULL)
		ml_bins_find(&s->bins->column[column], values, n, bins);
	else
		/* a string that the first scan has not seen is not let through by the digest */
		for (size_t i = 0; i < n; i++)
			bins[i] = bin_of_code[values[i] < codes ? (uint32_t) values[i] : codes];
	for (size_t i = 0; i < n; i++)
		out[i * stride] = (uint8_t) bins[i];
	for (size_t i = 0; i < n && track >= s->bins->narrow; i++)
		out[i * stride + 1] = (uint8_t) (bins[i] >> 8);
}

/* Hash and bin some of the rows to be taken. */
static void
bin_piece(void *arg, size_t begin, size_t end, int worker)
{
	MlStream   *s = arg;

	(void) worker;
	hash_rows(s, begin, end - begin);
	for (size_t i = begin; i < end; i += ML_BLOCK_ROWS)
		for (int j = 0; j < s->bins->columns; j++)
			bin_column(s, j, i, end - i < ML_BLOCK_ROWS ? end - i : ML_BLOCK_ROWS);
}

/* Bin the n rows to be taken and drop their features. */
static void
bin(MlStream *s, size_t n)
{
	if (n > s->rows - s->taken)
		raise_changed(s->ctx, ml_format(s->ctx, "The first time it had %zu rows, now there are more.", s->rows));
	ml_parallel_for(s->ctx, n, PIECE_ROWS, bin_piece, s);
	for (int f = 0; f < s->spec->nfeatures; f++)
		ml_column_empty(s->ctx, s->table->columns[f]);
}

void
ml_stream_take(MlStream *s, size_t rows)
{
	size_t		n = rows - s->taken;
	bool		known;

	if (s->phase == ML_STREAM_LOADING)
	{
		size_t		slots = count_slots(s, &known);

		if (!s->may_survey || !known || rows <= s->threshold / sizeof(double) / (slots + 1))
		{
			s->taken = rows;
			return;
		}
		/* all rows so far are still there */
		s->taken = 0;
		n = rows;
		begin_survey(s);
	}
	if (s->phase == ML_STREAM_SURVEY)
		survey(s, n);
	else
		bin(s, n);
	s->taken = rows;
}

MlDigest
ml_stream_check(MlStream *s)
{
	MlDigest	digest = digest_of(s->hashes, s->taken);

	if (s->taken != s->rows)
		raise_changed(s->ctx,
					  ml_format(s->ctx, "The first time it had %zu rows, now there are %zu.", s->rows, s->taken));
	if (digest.sum != s->digest.sum || digest.sum_inverse != s->digest.sum_inverse)
		raise_changed(s->ctx, "Some of their values are different.");
	return digest;
}

uint64_t *
ml_stream_hashes(MlStream *s)
{
	uint64_t   *hashes = s->hashes;

	s->hashes = NULL;
	return hashes;
}

/* ---- the bytes of two sides ---- */

typedef struct GatherJob
{
	const uint8_t *from;
	uint8_t    *to;
	size_t		count;			/* bytes a row */
	const uint32_t *rows;		/* of to, in from */
} GatherJob;

static void
gather_piece(void *arg, size_t begin, size_t end, int worker)
{
	const GatherJob *job = arg;

	(void) worker;
	for (size_t i = begin; i < end; i++)
		memcpy(job->to + i * job->count, job->from + job->rows[i] * job->count, job->count);
}

/* The bytes of some rows in room of their own. */
static uint8_t *
gather(MlContext *ctx, const MlBinGroup *group, const uint32_t *rows, size_t n)
{
	GatherJob	job = {group->bytes, ml_alloc_array(ctx, n + 1, (size_t) group->count), (size_t) group->count, rows};

	ml_parallel_for(ctx, n, GATHER_ROWS, gather_piece, &job);
	return job.to;
}

/* Move rows that ascend to the front. */
static void
move_up(MlContext *ctx, const MlBinGroup *group, const uint32_t *rows, size_t n)
{
	size_t		count = (size_t) group->count;

	for (size_t i = 0; i < n; i++)
	{
		memmove(group->bytes + i * count, group->bytes + rows[i] * count, count);
		if (i % (64 * GATHER_ROWS) == 0)
			ml_check(ctx);
	}
}

/* Do the rows ascend? */
static bool
in_order(const uint32_t *rows, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (rows[i] < rows[i - 1])
			return false;
	return true;
}

void
ml_stream_divide(MlStream *s, uint32_t *const rows[2], const size_t n[2], MlBins *const out[2])
{
	bool		ordered = in_order(rows[0], n[0]);

	for (int side = 0; side < 2; side++)
	{
		*out[side] = *s->bins;
		out[side]->rows = n[side];
		out[side]->group = ml_alloc_array(s->ctx, (size_t) s->bins->ngroups + 1, sizeof(MlBinGroup));
		memcpy(out[side]->group, s->bins->group, (size_t) s->bins->ngroups * sizeof(MlBinGroup));
	}
	for (int g = 0; g < s->bins->ngroups; g++)
	{
		MlBinGroup *from = &s->bins->group[g];
		uint8_t    *second = gather(s->ctx, from, rows[1], n[1]);

		out[1]->group[g].bytes = second;
		if (ordered)
		{
			/* the first in place, the second behind it: little is there twice */
			move_up(s->ctx, from, rows[0], n[0]);
			out[1]->group[g].bytes = from->bytes + n[0] * (size_t) from->count;
			memcpy(out[1]->group[g].bytes, second, n[1] * (size_t) from->count);
			ml_free(s->ctx, second);
			continue;
		}
		out[0]->group[g].bytes = gather(s->ctx, from, rows[0], n[0]);
		ml_free(s->ctx, from->bytes);
	}
	ml_free(s->ctx, s->bins->group);
	s->bins = NULL;
}

void
ml_stream_read(const MlStream *s, const MlBins *bins, size_t begin, size_t n, double *x, size_t ldx)
{
	for (int j = 0; j < bins->columns; j++)
	{
		int			track = bins->track_of[j];
		size_t		stride = (size_t) bins->group[bins->group_of[track]].count;
		const uint8_t *bytes = ml_bins_bytes(bins, track) + begin * stride;
		const double *decoded = s->decoded[j];

		for (size_t i = 0; i < n && track < bins->narrow; i++)
			x[(size_t) j * ldx + i] = decoded[bytes[i * stride]];
		for (size_t i = 0; i < n && track >= bins->narrow; i++)
			x[(size_t) j * ldx + i] = decoded[ml_bins_code(bytes + i * stride)];
	}
}
