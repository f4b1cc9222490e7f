/*
 * Scoring with trees: the sum of the leaves that a row falls into.
 *
 * Several rows go down a tree side by side: a step of one does not wait for that of another.
 */
#include <math.h>
#include <string.h>

#include "learn/forest_internal.h"

#define NODE_MISSING_LEFT UINT32_C(0x80000000)
#define NODE_CATEGORY UINT32_C(0x40000000)
#define NODE_FEATURE UINT32_C(0x3fffffff)
#define LANES 8					/* rows that go down a tree together */

/* A leaf is a number's node that leads back to itself. */
typedef struct PackedNode
{
	union
	{
		double		threshold;
		struct
		{
			uint32_t	set;
			uint32_t	levels;
		}			category;
	}			by;
	uint32_t	feature;		/* and flags */
	uint32_t	left;			/* the right child follows */
} PackedNode;

struct MlForestCode
{
	PackedNode *nodes;
	bool	   *has_category;	/* [trees] */
};

MlForestCode *
ml_forest_compile(MlContext *ctx, const MlForest *f)
{
	MlForestCode *code = ml_alloc_zero(ctx, sizeof *code);

	code->nodes = ml_alloc_array(ctx, f->nodes + 1, sizeof(PackedNode));
	code->has_category = ml_alloc_array_zero(ctx, f->trees + 1, sizeof(bool));
	for (size_t t = 0; t < f->trees; t++)
		for (size_t i = (size_t) f->tree_begin[t]; i < (size_t) f->tree_begin[t + 1]; i++)
		{
			PackedNode *node = &code->nodes[i];

			if (f->feature[i] < 0)
			{
				*node = (PackedNode) {.by.threshold = INFINITY,.feature = NODE_MISSING_LEFT,.left = (uint32_t) i};
				continue;
			}
			node->feature = (uint32_t) f->feature[i] | (ml_forest_missing_left(f, i) ? NODE_MISSING_LEFT : 0);
			node->left = (uint32_t) f->left[i];
			node->by.threshold = f->threshold[i];
			if (f->levels[f->feature[i]] > 0)
			{
				node->feature |= NODE_CATEGORY;
				node->by.category.set = (uint32_t) f->threshold[i];
				node->by.category.levels = (uint32_t) f->levels[f->feature[i]];
				code->has_category[t] = true;
			}
		}
	return code;
}

/* The next node of a row at a node, which may split a category. */
static inline uint32_t
step_any(const MlForest *f, uint32_t at, const double *x, size_t ldx)
{
	const PackedNode *node = &f->code->nodes[at];
	double		v = x[(size_t) (node->feature & NODE_FEATURE) * ldx];

	if (node->feature & NODE_CATEGORY)
	{
		uint32_t	level;

		if (!(v >= 0 && v < node->by.category.levels))
			return node->left + !(node->feature & NODE_MISSING_LEFT);
		level = (uint32_t) v;
		return node->left + !(f->sets[node->by.category.set + level / 32] >> level % 32 & 1);
	}
	return node->left + ((v > node->by.threshold) | ((v != v) & !(node->feature & NODE_MISSING_LEFT)));
}

/* The same where no node of the tree splits a category. */
static inline uint32_t
step_number(const PackedNode *nodes, uint32_t at, const double *x, size_t ldx)
{
	const PackedNode *node = &nodes[at];
	double		v = x[(size_t) (node->feature & NODE_FEATURE) * ldx];

	return node->left + (uint32_t) ((v > node->by.threshold) | ((v != v) & !(node->feature >> 31)));
}

/* Add a leaf's values to a row's scores. */
static inline void
add_leaf(const MlForest *f, size_t tree, uint32_t leaf, double *out, size_t ldout)
{
	if (f->width == 1)
		out[tree % (size_t) f->outputs * ldout] += f->value[leaf];
	else
		for (size_t c = 0; c < (size_t) f->width; c++)
			out[c * ldout] += f->value[(size_t) leaf * (size_t) f->width + c];
}

/* Add a tree's values to n rows. */
static void
add_tree(const MlForest *f, size_t tree, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	uint32_t	root = (uint32_t) f->tree_begin[tree];
	size_t		i = 0;

	for (; i + LANES <= n && !f->code->has_category[tree]; i += LANES)
	{
		uint32_t	at[LANES];
		uint32_t	moved;

		for (int l = 0; l < LANES; l++)
			at[l] = root;
		do
		{
			moved = 0;
#pragma GCC unroll 8
			for (int l = 0; l < LANES; l++)
			{
				uint32_t	next = step_number(f->code->nodes, at[l], x + i + l, ldx);

				moved |= next ^ at[l];
				at[l] = next;
			}
		} while (moved);
		for (size_t l = 0; l < LANES; l++)
			add_leaf(f, tree, at[l], out + i + l, ldout);
	}
	for (; i < n; i++)
	{
		uint32_t	at = root;
		uint32_t	next;

		while ((next = step_any(f, at, x + i, ldx)) != at)
			at = next;
		add_leaf(f, tree, at, out + i, ldout);
	}
}

void
ml_forest_sum(const MlForest *forest, const double *x, size_t ldx, size_t n, double *out, size_t ldout)
{
	for (size_t t = 0; t < forest->trees; t++)
		add_tree(forest, t, x, ldx, n, out, ldout);
}
