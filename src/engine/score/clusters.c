/*
 * Clusters of points.
 * Papers: Rousseeuw, Silhouettes, 1987; Davies and Bouldin, A cluster separation measure, 1979; Calinski and Harabasz,
 * A dendrite method for cluster analysis, 1974.
 */
#include "score/clusters.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "score/metrics.h"

/* Points whose distances to all others are one piece of work. */
#define GRAIN 16

/* A distance between centres below this is none, as is a spread. */
#define NOTHING 1e-8

/* Whether the measures are defined. */
static bool
defined(const MlPoints *points)
{
	return points->clusters >= 2 && points->clusters < points->n;
}

static inline double
squared_distance(const double *a, const double *b, size_t dimensions)
{
	double		sum = 0.0;

	for (size_t j = 0; j < dimensions; j++)
		sum += (a[j] - b[j]) * (a[j] - b[j]);
	return sum;
}

static inline double
weight_of(const MlPoints *points, size_t i)
{
	return points->weight != NULL ? points->weight[i] : 1.0;
}

/* What the points of each cluster weigh, and behind them all. */
static double *
cluster_weights(MlContext *ctx, const MlPoints *points)
{
	MlSum	   *sums = ml_alloc_array_zero(ctx, points->clusters + 1, sizeof(MlSum));
	double	   *weights = ml_alloc_array(ctx, points->clusters + 1, sizeof(double));

	for (size_t i = 0; i < points->n; i++)
	{
		ml_sum_add(&sums[points->cluster[i]], weight_of(points, i));
		ml_sum_add(&sums[points->clusters], weight_of(points, i));
	}
	for (size_t k = 0; k <= points->clusters; k++)
		weights[k] = ml_sum_value(&sums[k]);
	ml_free(ctx, sums);
	return weights;
}

/* ---- silhouette ---- */

typedef struct Silhouette
{
	const MlPoints *points;
	const double *weights;		/* [clusters] */
	uint32_t   *sizes;			/* [clusters] points */
	double	   *sums;			/* [threads x clusters] */
	double	   *widths;			/* [n] */
} Silhouette;

/* The width of one point from the sums of its distances to the clusters. */
static double
silhouette_width(const Silhouette *s, size_t i, const double *sums)
{
	size_t		own = s->points->cluster[i];
	double		nearest = INFINITY;
	double		inside;

	if (s->sizes[own] == 1)
		return 0.0;
	inside = sums[own] / (s->weights[own] - weight_of(s->points, i));
	for (size_t k = 0; k < s->points->clusters; k++)
		if (k != own)
			nearest = fmin(nearest, sums[k] / s->weights[k]);
	return fmax(inside, nearest) > 0.0 ? (nearest - inside) / fmax(inside, nearest) : 0.0;
}

static void
silhouette_task(void *arg, size_t begin, size_t end, int worker)
{
	Silhouette *s = arg;
	const MlPoints *points = s->points;
	double	   *sums = s->sums + (size_t) worker * points->clusters;

	for (size_t i = begin; i < end; i++)
	{
		const double *point = points->values + i * points->dimensions;

		memset(sums, 0, points->clusters * sizeof(double));
		for (size_t j = 0; j < points->n; j++)
			sums[points->cluster[j]] += weight_of(points, j) *
				sqrt(squared_distance(point, points->values + j * points->dimensions, points->dimensions));
		s->widths[i] = silhouette_width(s, i, sums);
	}
}

double
ml_silhouette(MlContext *ctx, const MlPoints *points)
{
	Silhouette	s = {.points = points};
	MlSum		sum = {0};

	if (!defined(points))
		return NAN;
	s.weights = cluster_weights(ctx, points);
	s.sizes = ml_alloc_array_zero(ctx, points->clusters, sizeof(uint32_t));
	for (size_t i = 0; i < points->n; i++)
		s.sizes[points->cluster[i]]++;
	s.sums = ml_alloc_array(ctx, (size_t) ml_thread_count(ctx) * points->clusters, sizeof(double));
	s.widths = ml_alloc_array(ctx, points->n, sizeof(double));
	ml_parallel_for(ctx, points->n, GRAIN, silhouette_task, &s);
	for (size_t i = 0; i < points->n; i++)
		ml_sum_add(&sum, weight_of(points, i) * s.widths[i]);
	return ml_sum_value(&sum) / s.weights[points->clusters];
}

/* ---- centres ---- */

/* The mean of the points of each cluster, and behind them that of all: [(clusters + 1) x dimensions]. */
static double *
centres(MlContext *ctx, const MlPoints *points, const double *weights)
{
	size_t		d = points->dimensions;
	MlSum	   *sums = ml_alloc_array_zero(ctx, (points->clusters + 1) * d, sizeof(MlSum));
	double	   *means = ml_alloc_array(ctx, (points->clusters + 1) * d, sizeof(double));

	for (size_t i = 0; i < points->n; i++)
		for (size_t j = 0; j < d; j++)
		{
			double		value = weight_of(points, i) * points->values[i * d + j];

			ml_sum_add(&sums[points->cluster[i] * d + j], value);
			ml_sum_add(&sums[points->clusters * d + j], value);
		}
	for (size_t k = 0; k <= points->clusters; k++)
		for (size_t j = 0; j < d; j++)
			means[k * d + j] = ml_sum_value(&sums[k * d + j]) / weights[k];
	ml_free(ctx, sums);
	return means;
}

/* The greatest likeness of a cluster to another one. */
static double
likeness(const MlPoints *points, const double *means, const double *spreads, size_t k, double *farthest)
{
	size_t		d = points->dimensions;
	double		most = 0.0;

	for (size_t l = 0; l < points->clusters; l++)
	{
		double		distance = sqrt(squared_distance(means + k * d, means + l * d, d));

		*farthest = fmax(*farthest, distance);
		if (distance > 0.0)
			most = fmax(most, (spreads[k] + spreads[l]) / distance);
	}
	return most;
}

double
ml_davies_bouldin(MlContext *ctx, const MlPoints *points)
{
	size_t		d = points->dimensions;
	double	   *weights;
	double	   *means;
	MlSum	   *sums;
	double	   *spreads;
	double		widest = 0.0;
	double		farthest = 0.0;
	MlSum		mean = {0};

	if (!defined(points))
		return NAN;
	weights = cluster_weights(ctx, points);
	means = centres(ctx, points, weights);
	sums = ml_alloc_array_zero(ctx, points->clusters, sizeof(MlSum));
	spreads = ml_alloc_array(ctx, points->clusters, sizeof(double));
	for (size_t i = 0; i < points->n; i++)
		ml_sum_add(&sums[points->cluster[i]], weight_of(points, i) *
				   sqrt(squared_distance(points->values + i * d, means + points->cluster[i] * d, d)));
	for (size_t k = 0; k < points->clusters; k++)
	{
		spreads[k] = ml_sum_value(&sums[k]) / weights[k];
		widest = fmax(widest, spreads[k]);
	}
	for (size_t k = 0; k < points->clusters; k++)
	{
		ml_check(ctx);
		ml_sum_add(&mean, likeness(points, means, spreads, k, &farthest));
	}
	if (widest <= NOTHING || farthest <= NOTHING)
		return 0.0;
	return ml_sum_value(&mean) / (double) points->clusters;
}

double
ml_calinski_harabasz(MlContext *ctx, const MlPoints *points)
{
	size_t		d = points->dimensions;
	double	   *weights;
	double	   *means;
	MlSum		within = {0};
	MlSum		between = {0};

	if (!defined(points))
		return NAN;
	weights = cluster_weights(ctx, points);
	means = centres(ctx, points, weights);
	for (size_t i = 0; i < points->n; i++)
		ml_sum_add(&within, weight_of(points, i) *
				   squared_distance(points->values + i * d, means + points->cluster[i] * d, d));
	for (size_t k = 0; k < points->clusters; k++)
		ml_sum_add(&between, weights[k] * squared_distance(means + k * d, means + points->clusters * d, d));
	if (ml_sum_value(&within) == 0.0)
		return 1.0;
	return ml_sum_value(&between) * (double) (points->n - points->clusters) /
		(ml_sum_value(&within) * (double) (points->clusters - 1));
}
