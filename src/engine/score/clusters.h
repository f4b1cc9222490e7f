/*
 * How well clusters of points hold together, by Euclidean distances.
 */
#ifndef ML_CLUSTERS_H
#define ML_CLUSTERS_H

#include "base/context.h"

typedef struct MlPoints
{
	size_t		n;
	size_t		dimensions;
	const double *values;		/* [n x dimensions] */
	const uint32_t *cluster;	/* [n], below clusters; each has a point */
	size_t		clusters;
	const double *weight;		/* [n] above 0; NULL = 1 each */
} MlPoints;

/*
 * Each is NaN unless there are at least two clusters and fewer than points.  Means are by weight; a multiple of all
 * weights changes nothing.
 *
 * silhouette: the mean over points of (b - a) / max(a, b), a being the mean distance to the others of its cluster and b
 * the least mean distance to another cluster; 0 for a point alone.  Looks at every pair of points, on all threads.
 */
extern double ml_silhouette(MlContext *ctx, const MlPoints *points);

/* The mean over clusters of the greatest (spread + other's spread) / distance of centres; less is better. */
extern double ml_davies_bouldin(MlContext *ctx, const MlPoints *points);

/* The spread between clusters over that within, each over its degrees of freedom; 1 where there is none within. */
extern double ml_calinski_harabasz(MlContext *ctx, const MlPoints *points);

#endif
