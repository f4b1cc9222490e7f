/*
 * Resampling of training rows by class.
 *
 * Problem: classes of n_1 .. n_K training rows; the largest has N, the smallest M.  ratio r, 0 < r <= 1:
 * UNDER keeps at most M / r rows of a class, those of the least shuffled hashes; OVER lets a class count as at least r
 * N rows, each of its rows floor(r N / n_k) or one time more, as if it came so often; SMOTE makes rows up until a class
 * has r N (Chawla, Bowyer, Hall and Kegelmeyer, JAIR 16, 2002): a row, one of its NEIGHBOURS nearest rows of the same
 * class by the distance of the standardised features, and a point between them.
 * Rows are chosen by their content and the seed, so the order in which they are read changes nothing.
 */
#include "model/resample.h"

#include <math.h>
#include <string.h>

#include "base/moments.h"
#include "base/threads.h"
#include "score/runs.h"

#define NEIGHBOURS 5
#define MOST_SOURCES 20000		/* rows of a class among which neighbours are looked for */

void
ml_resample_check(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target)
{
	int			orders;

	if (target->nclasses == 0)
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "\"sampling\" is for a target of classes");
	if (spec->sampling != ML_SAMPLING_SMOTE)
		return;
	ml_prep_orders(ctx, spec->preprocess, &orders);
	if (orders > 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, "\"sampling\": \"smote\" does not go with a forward fill",
					  "Rows that are made up have no place in time.", "Use \"sampling\": \"over\".");
	if (spec->weight >= 0 || spec->start >= 0)
		ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
					  "\"sampling\": \"smote\" does not go with weights or start scores of rows",
					  "Rows that are made up have none.", "Use \"sampling\": \"over\".");
	for (int f = 0; f < spec->nfeatures; f++)
		if (table->columns[f]->kind == ML_KIND_CATEGORY || table->columns[f]->kind == ML_KIND_TEXT)
			ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
						  ml_format(ctx, "\"sampling\": \"smote\" is for numbers, and feature \"%s\" is a %s",
									table->columns[f]->name, ml_kind_name(table->columns[f]->kind)),
						  table->columns[f]->kind == ML_KIND_TEXT ? "There is nothing between two texts." :
						  "There is nothing between two categories.", "Use \"sampling\": \"over\".");
}

/* ---- rows of a class ---- */

static uint64_t
shuffled(uint64_t hash, uint64_t seed)
{
	return ml_mix64(hash ^ ml_mix64(seed ^ UINT64_C(0x5a3d1e)));
}

/* The training rows of one class in shuffled order; their places among those of the target. */
static size_t
class_rows(MlContext *ctx, const MlTarget *target, int class, const uint64_t *hashes, const uint8_t *sides,
		   uint64_t seed, MlKeyed *keyed)
{
	size_t		n = 0;

	for (size_t i = 0; i < target->n; i++)
		if (target->values[i] == class && sides[target->rows[i]] == ML_SIDE_TRAIN)
			keyed[n++] = (MlKeyed) {shuffled(hashes[target->rows[i]], seed), i};
	ml_sort_keyed(ctx, keyed, n);
	return n;
}

/* Training rows of each class; the smallest that has any and the largest go to *least and *most. */
static size_t *
count_classes(MlContext *ctx, const MlTarget *target, const uint8_t *sides, size_t *least, size_t *most)
{
	size_t	   *counts = ml_alloc_array_zero(ctx, (size_t) target->nclasses + 1, sizeof(size_t));

	for (size_t i = 0; i < target->n; i++)
		if (sides[target->rows[i]] == ML_SIDE_TRAIN)
			counts[(int) target->values[i]]++;
	*least = SIZE_MAX;
	*most = 0;
	for (int k = 0; k < target->nclasses; k++)
	{
		if (counts[k] > 0 && counts[k] < *least)
			*least = counts[k];
		if (counts[k] > *most)
			*most = counts[k];
	}
	return counts;
}

/* ---- under, over ---- */

void
ml_resample_under(MlContext *ctx, const MlTrainSpec *spec, const MlTarget *target, const uint64_t *hashes,
				  uint8_t *sides)
{
	size_t		least;
	size_t		most;
	size_t	   *counts = count_classes(ctx, target, sides, &least, &most);
	size_t		limit = (size_t) llround((double) least / spec->sampling_ratio);
	MlKeyed	   *keyed = ml_alloc_array(ctx, most + 1, sizeof(MlKeyed));

	for (int k = 0; k < target->nclasses; k++)
	{
		if (counts[k] <= limit)
			continue;
		class_rows(ctx, target, k, hashes, sides, spec->split.seed, keyed);
		for (size_t i = limit; i < counts[k]; i++)
			sides[target->rows[keyed[i].item]] = ML_SIDE_NEITHER;
		ml_check(ctx);
	}
	ml_free(ctx, keyed);
	ml_free(ctx, counts);
}

double *
ml_resample_over(MlContext *ctx, const MlTrainSpec *spec, int classes, const double *klass, const uint32_t *rows,
				 const uint64_t *hashes, const double *weights, size_t n)
{
	double	   *sampled = ml_alloc_array(ctx, n + 1, sizeof(double));
	MlKeyed	   *keyed = ml_alloc_array(ctx, n + 1, sizeof(MlKeyed));
	size_t	   *counts = ml_alloc_array_zero(ctx, (size_t) classes + 1, sizeof(size_t));
	size_t		most = 0;

	for (size_t i = 0; i < n; i++)
		most = ++counts[(int) klass[i]] > most ? counts[(int) klass[i]] : most;
	for (int k = 0; k < classes; k++)
	{
		size_t		wanted = (size_t) llround(spec->sampling_ratio * (double) most);
		size_t		found = 0;

		for (size_t i = 0; i < n; i++)
			if (klass[i] == k)
				keyed[found++] = (MlKeyed) {shuffled(hashes[rows[i]], spec->split.seed), i};
		ml_sort_keyed(ctx, keyed, found);
		if (wanted < found)
			wanted = found;
		for (size_t i = 0; i < found; i++)
			sampled[keyed[i].item] = (double) (wanted / found + (i < wanted % found)) *
				(weights != NULL ? weights[keyed[i].item] : 1);
	}
	ml_free(ctx, counts);
	ml_free(ctx, keyed);
	return sampled;
}

/* ---- smote ---- */

/* The rows of one class that others are made from, and what is known of them. */
typedef struct Sources
{
	size_t		n;
	size_t		width;			/* numbers a row */
	double	   *raw;			/* [n][width], NaN = NULL */
	double	   *scaled;			/* [n][width], standardised, 0 for NULL */
	uint32_t   *neighbours;		/* [n][NEIGHBOURS] */
	size_t		nneighbours;	/* of each */
} Sources;

/* Read the sources, standardised over themselves. */
static void
read_sources(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
			 const MlKeyed *keyed, Sources *s)
{
	double	   *column = ml_alloc_array(ctx, s->n + 1, sizeof(double));
	size_t		place = 0;

	s->raw = ml_alloc_array(ctx, s->n * s->width + 1, sizeof(double));
	s->scaled = ml_alloc_array(ctx, s->n * s->width + 1, sizeof(double));
	for (int f = 0; f < spec->nfeatures; f++)
		for (int e = 0; e < table->columns[f]->width; e++, place++)
		{
			MlMoments	moments;
			double		scale;

			for (size_t i = 0; i < s->n; i++)
				ml_column_read(table->columns[f], e, &target->rows[keyed[i].item], 0, 1, &column[i]);
			ml_moments_init(&moments);
			ml_moments_add(&moments, column, s->n);
			scale = moments.m2 > 0 ? sqrt(moments.m2 / moments.count) : 1;
			for (size_t i = 0; i < s->n; i++)
			{
				s->raw[i * s->width + place] = column[i];
				s->scaled[i * s->width + place] = column[i] == column[i] ? (column[i] - moments.mean) / scale : 0;
			}
			ml_check(ctx);
		}
	ml_free(ctx, column);
}

/* The nearest other sources of some sources: all distances, the few least kept in order. */
static void
find_neighbours(void *arg, size_t begin, size_t end, int worker)
{
	Sources    *s = arg;

	(void) worker;
	for (size_t i = begin; i < end; i++)
	{
		double		nearest[NEIGHBOURS];
		size_t		found = 0;
		uint32_t   *own = s->neighbours + i * NEIGHBOURS;

		for (size_t j = 0; j < s->n; j++)
		{
			double		distance = 0;
			size_t		at;

			if (j == i)
				continue;
			for (size_t c = 0; c < s->width; c++)
			{
				double		d = s->scaled[i * s->width + c] - s->scaled[j * s->width + c];

				distance += d * d;
			}
			if (found == s->nneighbours && distance >= nearest[found - 1])
				continue;
			at = found < s->nneighbours ? found++ : found - 1;
			for (; at > 0 && nearest[at - 1] > distance; at--)
			{
				nearest[at] = nearest[at - 1];
				own[at] = own[at - 1];
			}
			nearest[at] = distance;
			own[at] = (uint32_t) j;
		}
	}
}

/* Make up rows first .. first + count - 1 of one class from its sources, each source in turn. */
static void
make_rows(const MlTable *table, const MlTrainSpec *spec, const Sources *s, int class, size_t first, size_t count,
		  MlSynthetic *made)
{
	MlRandom	random;

	ml_random_seed(&random, spec->split.seed + (uint64_t) class);
	for (size_t i = 0; i < count; i++)
	{
		size_t		base = i % s->n;
		size_t		other = s->nneighbours > 0 ?
			s->neighbours[base * NEIGHBOURS + ml_random_below(&random, s->nneighbours)] : base;
		double		share = ml_random_double(&random);
		size_t		place = 0;

		for (int f = 0; f < spec->nfeatures; f++)
			for (int e = 0; e < table->columns[f]->width; e++, place++)
			{
				double		a = s->raw[base * s->width + place];
				double		b = s->raw[other * s->width + place];

				/* what is missing on one side is as on the other */
				made->values[f][(size_t) e * made->n + first + i] = a != a ? b : b != b ? a : a + share * (b - a);
			}
		made->target[first + i] = class;
	}
}

/* The rows of one class, of which count are to be made up from the first on. */
static void
make_class(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target, const MlKeyed *keyed,
		   size_t n, int class, size_t first, size_t count, MlSynthetic *made)
{
	Sources		s = {.n = n < MOST_SOURCES ? n : MOST_SOURCES};

	for (int f = 0; f < spec->nfeatures; f++)
		s.width += (size_t) table->columns[f]->width;
	s.nneighbours = s.n - 1 < NEIGHBOURS ? s.n - 1 : NEIGHBOURS;
	s.neighbours = ml_alloc_array(ctx, s.n * NEIGHBOURS + 1, sizeof(uint32_t));
	read_sources(ctx, table, spec, target, keyed, &s);
	ml_parallel_for(ctx, s.n, 64, find_neighbours, &s);
	make_rows(table, spec, &s, class, first, count, made);
	ml_free(ctx, s.neighbours);
	ml_free(ctx, s.scaled);
	ml_free(ctx, s.raw);
}

MlSynthetic *
ml_resample_smote(MlContext *ctx, const MlTable *table, const MlTrainSpec *spec, const MlTarget *target,
				  const uint64_t *hashes, const uint8_t *sides)
{
	size_t		least;
	size_t		most;
	size_t	   *counts = count_classes(ctx, target, sides, &least, &most);
	size_t		wanted = (size_t) llround(spec->sampling_ratio * (double) most);
	MlSynthetic *made = ml_alloc_zero(ctx, sizeof *made);
	MlKeyed	   *keyed = ml_alloc_array(ctx, most + 1, sizeof(MlKeyed));
	size_t		first = 0;

	for (int k = 0; k < target->nclasses; k++)
		made->n += counts[k] > 0 && counts[k] < wanted ? wanted - counts[k] : 0;
	made->values = ml_alloc_array(ctx, (size_t) spec->nfeatures + 1, sizeof(double *));
	for (int f = 0; f < spec->nfeatures; f++)
		made->values[f] = ml_alloc_array(ctx, made->n * (size_t) table->columns[f]->width + 1, sizeof(double));
	made->target = ml_alloc_array(ctx, made->n + 1, sizeof(double));
	for (int k = 0; k < target->nclasses; k++)
	{
		if (counts[k] == 0 || counts[k] >= wanted)
			continue;
		class_rows(ctx, target, k, hashes, sides, spec->split.seed, keyed);
		make_class(ctx, table, spec, target, keyed, counts[k], k, first, wanted - counts[k], made);
		first += wanted - counts[k];
	}
	ml_free(ctx, keyed);
	ml_free(ctx, counts);
	return made->n > 0 ? made : NULL;
}
