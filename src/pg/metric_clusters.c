/*
 * Metrics of points in clusters: silhouette, davies_bouldin, calinski_harabasz.
 *
 * A state keeps all points, 8 bytes a coordinate and 4 for the cluster, up to mlaas.max_memory; clusters are numbered
 * in the order of their appearance, by the bytes of their labels.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "base/hash.h"
#include "pg/host.h"
#include "pg/metrics.h"
#include "score/clusters.h"

/* More than this are no clusters. */
#define MAX_CLUSTERS 10000

/* Room for so many points at first. */
#define FIRST_POINTS 64

/* A cluster: the bytes of its label. */
typedef struct Cluster
{
	uint64		hash;
	uint32		length;
	const char *label;
} Cluster;

typedef struct Points
{
	MemoryContext memory;
	uint32		dimensions;
	uint32		nclusters;
	uint32		cluster_slots;
	Cluster    *clusters;
	Size		label_bytes;
	Size		n;
	Size		capacity;
	double	   *values;			/* [capacity x dimensions] */
	uint32	   *cluster;		/* [capacity] */
	double	   *weights;		/* [capacity]; NULL = points have none */
	bool		weighted;
} Points;

/* The flat form: this, labels (length and bytes each), clusters of points, values, weights; all aligned. */
typedef struct FlatPoints
{
	uint32		dimensions;
	uint32		nclusters;
	uint64		n;
	uint64		label_size;
	uint64		weighted;		/* 0 or 1 */
} FlatPoints;

static Points *
points_create(uint32 dimensions, bool weighted, MemoryContext memory)
{
	Points	   *points = MemoryContextAllocZero(memory, sizeof(Points));

	points->memory = memory;
	points->dimensions = dimensions;
	points->weighted = weighted;
	return points;
}

/* The bytes of a point's numbers. */
static inline Size
point_size(const Points *points)
{
	return (points->dimensions + points->weighted) * sizeof(double);
}

/* Make room for more points. */
static void
reserve_points(Points *points, Size more)
{
	Size		row = points->dimensions * sizeof(double);
	Size		capacity = Max(points->capacity + points->capacity / 2, Max(points->n + more, FIRST_POINTS));

	if (points->capacity - points->n >= more)
		return;
	check_state_memory(capacity * (point_size(points) + sizeof(uint32)), points->n);
	if (points->values == NULL)
	{
		points->values = MemoryContextAllocHuge(points->memory, capacity * row);
		points->cluster = MemoryContextAllocHuge(points->memory, capacity * sizeof(uint32));
		if (points->weighted)
			points->weights = MemoryContextAllocHuge(points->memory, capacity * sizeof(double));
	}
	else
	{
		points->values = repalloc_huge(points->values, capacity * row);
		points->cluster = repalloc_huge(points->cluster, capacity * sizeof(uint32));
		if (points->weighted)
			points->weights = repalloc_huge(points->weights, capacity * sizeof(double));
	}
	points->capacity = capacity;
}

/* The number of a cluster, which is added when it is new. */
static uint32
cluster_number(Points *points, const char *label, uint32 length)
{
	uint64		hash = ml_hash_bytes(label, length, 0);
	char	   *copy;

	for (uint32 i = 0; i < points->nclusters; i++)
		if (points->clusters[i].hash == hash && points->clusters[i].length == length &&
			memcmp(points->clusters[i].label, label, length) == 0)
			return i;
	if (points->nclusters == MAX_CLUSTERS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many clusters"),
				 errdetail("There are more than %d.", MAX_CLUSTERS)));
	if (points->nclusters == points->cluster_slots)
	{
		points->cluster_slots = Max(2 * points->cluster_slots, 8);
		if (points->clusters == NULL)
			points->clusters = MemoryContextAlloc(points->memory, sizeof(Cluster) * points->cluster_slots);
		else
			points->clusters = repalloc(points->clusters, sizeof(Cluster) * points->cluster_slots);
	}
	copy = MemoryContextAlloc(points->memory, length + 1);
	memcpy(copy, label, length);
	points->clusters[points->nclusters] = (Cluster) {hash, length, copy};
	points->label_bytes += sizeof(uint32) + length;
	return points->nclusters++;
}

/* ---- flat form ---- */

static Size
points_flat_size(void *state)
{
	Points	   *points = state;

	return sizeof(FlatPoints) + MAXALIGN(points->label_bytes) + MAXALIGN(points->n * sizeof(uint32)) +
		points->n * point_size(points);
}

static void
points_flatten(void *state, char *bytes, Size size)
{
	Points	   *points = state;
	char	   *at = bytes + sizeof(FlatPoints);

	memset(bytes, 0, size);
	*(FlatPoints *) bytes = (FlatPoints) {
		points->dimensions, points->nclusters, points->n, points->label_bytes, points->weighted
	};
	for (uint32 i = 0; i < points->nclusters; i++)
	{
		memcpy(at, &points->clusters[i].length, sizeof(uint32));
		memcpy(at + sizeof(uint32), points->clusters[i].label, points->clusters[i].length);
		at += sizeof(uint32) + points->clusters[i].length;
	}
	at = bytes + sizeof(FlatPoints) + MAXALIGN(points->label_bytes);
	memcpy(at, points->cluster, points->n * sizeof(uint32));
	at += MAXALIGN(points->n * sizeof(uint32));
	memcpy(at, points->values, points->n * points->dimensions * sizeof(double));
	at += points->n * points->dimensions * sizeof(double);
	if (points->weighted)
		memcpy(at, points->weights, points->n * sizeof(double));
}

/* Read labels from flat bytes. */
static void
read_flat_labels(Points *points, const char *bytes, Size size, uint32 nclusters)
{
	Size		used = 0;

	check_flat(nclusters > 0 && nclusters <= MAX_CLUSTERS, "number of clusters");
	for (uint32 i = 0; i < nclusters; i++)
	{
		uint32		length;

		check_flat(size - used >= sizeof length, "label");
		memcpy(&length, bytes + used, sizeof length);
		used += sizeof length;
		check_flat(length <= size - used, "label");
		check_flat(cluster_number(points, bytes + used, length) == i, "label, which it has twice");
		used += length;
	}
	check_flat(used == size, "size of labels");
}

static void *
points_unflatten(const char *bytes, Size size, MemoryContext memory)
{
	const FlatPoints *head = (const FlatPoints *) bytes;
	const char *at = bytes + sizeof(FlatPoints);
	bool	   *seen;
	Points	   *points;

	check_flat(size >= sizeof(FlatPoints), "size");
	check_flat(head->dimensions > 0 && head->n > 0 && head->n <= size && head->label_size <= size &&
			   head->dimensions <= size, "number of points");
	check_flat((size - sizeof(FlatPoints)) / sizeof(double) / head->dimensions >= head->n, "size");
	check_flat(head->weighted <= 1, "mark of weights");
	check_flat(size == sizeof(FlatPoints) + MAXALIGN(head->label_size) + MAXALIGN(head->n * sizeof(uint32)) +
			   head->n * (head->dimensions + head->weighted) * sizeof(double), "size");
	points = points_create(head->dimensions, head->weighted == 1, memory);
	read_flat_labels(points, at, head->label_size, head->nclusters);
	at += MAXALIGN(head->label_size);
	reserve_points(points, head->n);
	memcpy(points->cluster, at, head->n * sizeof(uint32));
	at += MAXALIGN(head->n * sizeof(uint32));
	memcpy(points->values, at, head->n * head->dimensions * sizeof(double));
	if (points->weighted)
		memcpy(points->weights, at + head->n * head->dimensions * sizeof(double), head->n * sizeof(double));
	points->n = head->n;
	seen = palloc0(sizeof(bool) * head->nclusters);
	for (uint64 i = 0; i < head->n; i++)
	{
		check_flat(points->cluster[i] < head->nclusters, "cluster of a point");
		seen[points->cluster[i]] = true;
	}
	for (uint32 i = 0; i < head->nclusters; i++)
		check_flat(seen[i], "cluster, which has no point");
	for (uint64 i = 0; i < head->n * head->dimensions; i++)
		check_flat(isfinite(points->values[i]), "value");
	for (uint64 i = 0; points->weighted && i < head->n; i++)
		check_flat(valid_weight(points->weights[i]), "weight");
	pfree(seen);
	return points;
}

const StateKind points_state_kind = {
	.id = STATE_POINTS,
	.name = "points",
	.flat_size = points_flat_size,
	.flatten = points_flatten,
	.unflatten = points_unflatten,
};

/* ---- transition ---- */

/* The state of a transition function, made at the first row. */
static ExpandedState *
points_state(FunctionCallInfo fcinfo, uint32 dimensions, bool weighted)
{
	MemoryContext memory = state_aggregate_memory(fcinfo);
	ExpandedState *expanded;

	if (PG_ARGISNULL(0))
	{
		expanded = state_create(&points_state_kind, memory);
		expanded->state = points_create(dimensions, weighted, expanded->hdr.eoh_context);
		return expanded;
	}
	expanded = state_get(PG_GETARG_DATUM(0), &points_state_kind, memory);
	if (((Points *) expanded->state)->dimensions != dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("points must all have as many values"),
				 errdetail("One has %u, another %u.", ((Points *) expanded->state)->dimensions, dimensions)));
	if (((Points *) expanded->state)->weighted != weighted)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregate states with and without weights cannot be combined")));
	return expanded;
}

/* Keep one row's point. */
static Datum
points_add(FunctionCallInfo fcinfo, const char *label, uint32 length, const double *weight)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	const double *values = (const double *) ARR_DATA_PTR(array);
	uint32		dimensions;
	ExpandedState *expanded;
	Points	   *points;

	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a point must be an array of one dimension without NULL elements")));
	dimensions = (uint32) ARR_DIMS(array)[0];
	for (uint32 i = 0; i < dimensions; i++)
		if (!isfinite(values[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("value of a point is not finite")));
	expanded = points_state(fcinfo, dimensions, weight != NULL);
	points = expanded->state;
	reserve_points(points, 1);
	memcpy(points->values + points->n * dimensions, values, dimensions * sizeof(double));
	if (weight != NULL)
		points->weights[points->n] = *weight;
	points->cluster[points->n++] = cluster_number(points, label, length);
	return state_datum(expanded);
}

/* Add a row whose cluster is text, or a number; weight NULL = it has none. */
static Datum
text_add(FunctionCallInfo fcinfo, const double *weight)
{
	text	   *label = PG_GETARG_TEXT_PP(2);

	return points_add(fcinfo, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label), weight);
}

static Datum
bigint_add(FunctionCallInfo fcinfo, const double *weight)
{
	int64		label = PG_GETARG_INT64(2);

	return points_add(fcinfo, (const char *) &label, sizeof label, weight);
}

#define POINTS_TRANSITIONS(name, add) \
	PG_FUNCTION_INFO_V1(name); \
	PG_FUNCTION_INFO_V1(name##_w); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		return arguments_present(fcinfo, 2) ? add(fcinfo, NULL) : skip_row(fcinfo); \
	} \
	Datum \
	name##_w(PG_FUNCTION_ARGS) \
	{ \
		double		weight; \
		return weighted_row(fcinfo, 2, &weight) ? add(fcinfo, &weight) : skip_row(fcinfo); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

POINTS_TRANSITIONS(ml_points_text, text_add);
POINTS_TRANSITIONS(ml_points_bigint, bigint_add);

PG_FUNCTION_INFO_V1(ml_points_combine);

/* Append the points of the second state to the first. */
Datum
ml_points_combine(PG_FUNCTION_ARGS)
{
	Points	   *from = state_get(PG_GETARG_DATUM(1), &points_state_kind, CurrentMemoryContext)->state;
	ExpandedState *expanded = points_state(fcinfo, from->dimensions, from->weighted);
	Points	   *into = expanded->state;
	uint32	   *numbers = palloc(sizeof(uint32) * (from->nclusters + 1));

	for (uint32 i = 0; i < from->nclusters; i++)
		numbers[i] = cluster_number(into, from->clusters[i].label, from->clusters[i].length);
	reserve_points(into, from->n);
	memcpy(into->values + into->n * into->dimensions, from->values, from->n * from->dimensions * sizeof(double));
	if (into->weighted)
		memcpy(into->weights + into->n, from->weights, from->n * sizeof(double));
	for (Size i = 0; i < from->n; i++)
		into->cluster[into->n + i] = numbers[from->cluster[i]];
	into->n += from->n;
	pfree(numbers);
	return state_datum(expanded);
}

#define POINTS_FINAL(name, function) \
	PG_FUNCTION_INFO_V1(name); \
	Datum \
	name(PG_FUNCTION_ARGS) \
	{ \
		Points	   *points = final_state(fcinfo, &points_state_kind); \
		MlContext  *ctx = host_context_create(CurrentMemoryContext, "ml_points", true); \
		MlPoints	view = {points->n, points->dimensions, points->values, points->cluster, points->nclusters, \
			points->weights}; \
		double		value = function(ctx, &view); \
		host_context_delete(ctx); \
		if (isinf(value)) \
			float_overflow_error(); \
		return metric_datum(fcinfo, value); \
	} \
	extern Datum name(PG_FUNCTION_ARGS)

POINTS_FINAL(ml_silhouette_final, ml_silhouette);
POINTS_FINAL(ml_davies_bouldin_final, ml_davies_bouldin);
POINTS_FINAL(ml_calinski_harabasz_final, ml_calinski_harabasz);
