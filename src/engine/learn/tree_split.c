/*
 * The best split of a leaf by one column, from the sums of its bins.
 *
 * Problem: with G, H the sums of gradients and hessians on a side and T(G) = sign(G) max(|G| - l1, 0),
 *     maximise T(G_l)^2 / (H_l + l2) + T(G_r)^2 / (H_r + l2) - T(G)^2 / (H + l2)
 *     over the splits whose sides have enough rows and hessian; the gain must exceed min_split_gain.
 * Numbers: every edge, with the missing values on either side.
 * Categories: each level against the rest where a leaf has at most max_cat_to_onehot; else levels in the
 *     order of G / (H + cat_smooth), whose best subset is a prefix (Fisher 1958), from both ends, at most
 *     max_cat_threshold levels, with l2 + cat_l2.  What is missing is a level among them.
 * Ties go to the split found first.
 * Paper: Ke et al., LightGBM, 2017; Chen and Guestrin, XGBoost, 2016, for the gain.
 *
 * How many rows a side has is not kept a bin: it is the leaf's rows times the side's share of the
 * hessian, which is exact for the squared error and an estimate for others.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn/tree_internal.h"

/* T(G). */
static inline double
soften(double g, double l1)
{
	return g > l1 ? g - l1 : g < -l1 ? g + l1 : 0;
}

/* T(G)^2 / (H + l2), 0 where there is nothing. */
static inline double
side_gain(const MlSplitScale *scale, MlBinSum sum, double l2)
{
	double		g = soften((double) sum.g * scale->gradient, scale->l1);
	double		h = (double) sum.h * scale->hessian + l2;

	return h > 0 ? g * g / h : 0;
}

double
ml_split_value(const MlSplitScale *scale, MlBinSum sum, double l2)
{
	double		g = soften((double) sum.g * scale->gradient, scale->l1);
	double		h = (double) sum.h * scale->hessian + l2;

	return h > 0 && g != 0 ? -g / h : 0;
}

/* What is the same for every split of a leaf. */
typedef struct Search
{
	const MlSplitScale *scale;
	MlBinSum	sum;
	int64_t		least;			/* hessian that a side must have, in units */
	double		parent;			/* gain of the leaf as it is */
} Search;

static inline MlBinSum
minus(MlBinSum a, MlBinSum b)
{
	return (MlBinSum) {a.g - b.g, a.h - b.h};
}

/* The gain of a split with this left side, -1 where it is not allowed. */
static inline double
split_gain(const Search *s, MlBinSum left, double l2)
{
	MlBinSum	right = minus(s->sum, left);

	if (left.h < s->least || right.h < s->least)
		return -1;
	return side_gain(s->scale, left, l2) + side_gain(s->scale, right, l2) - s->parent;
}

/* Keep a split of a number when it is better. */
static inline void
try_number(const Search *s, MlBinSum left, double l2, int bin, bool missing_left, MlSplitFound *found)
{
	double		gain = split_gain(s, left, l2);

	if (gain > found->gain)
	{
		found->gain = gain;
		found->bin = bin;
		found->missing_left = missing_left;
		found->sum = left;
	}
}

static void
find_number(const Search *s, const MlBinColumn *column, const MlBinSum *sums, MlSplitFound *found)
{
	int			n = column->nbins;
	MlBinSum	missing = sums[n];
	bool		has_missing = missing.h != 0 || missing.g != 0;
	double		l2 = s->scale->limits->l2;
	MlBinSum	left = {0, 0};

	for (int b = 0; b < n; b++)
	{
		if (sums[b].h == 0 && sums[b].g == 0)
			continue;
		left.g += sums[b].g;
		left.h += sums[b].h;
		if (b + 1 < n || has_missing)
			try_number(s, left, l2, b, false, found);
		if (has_missing && b + 1 < n)
			try_number(s, (MlBinSum) {left.g + missing.g, left.h + missing.h}, l2, b, true, found);
	}
	/* where nothing is missing, what will be goes with the most */
	if (found->gain >= 0 && !has_missing)
		found->missing_left = 2 * found->sum.h > s->sum.h;
}

typedef struct Level
{
	int			bin;
	double		order;
} Level;

static int
by_order(const void *pa, const void *pb)
{
	const Level *a = pa;
	const Level *b = pb;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return a->bin - b->bin;
}

/* The left side becomes these levels. */
static void
keep_levels(const Level *levels, int n, int step, double gain, MlBinSum left, MlSplitFound *found)
{
	found->gain = gain;
	found->sum = left;
	memset(found->left, 0, sizeof found->left);
	for (int i = 0; i < n; i++)
	{
		int			bin = levels[i * step].bin;

		found->left[bin / 8] |= (uint8_t) (1 << bin % 8);
	}
}

/* Prefixes of the ordered levels, from one end. */
static void
find_prefix(const Search *s, const Level *levels, int n, int step, const MlBinSum *sums, MlSplitFound *found)
{
	const MlTreeLimits *limits = s->scale->limits;
	const Level *first = step > 0 ? levels : levels + n - 1;
	int			most = (n + 1) / 2 < limits->max_cat_threshold ? (n + 1) / 2 : limits->max_cat_threshold;
	MlBinSum	left = {0, 0};

	for (int i = 0; i < most && i + 1 < n; i++)
	{
		double		gain;

		left.g += sums[first[i * step].bin].g;
		left.h += sums[first[i * step].bin].h;
		gain = split_gain(s, left, limits->l2 + limits->cat_l2);
		if (gain > found->gain)
			keep_levels(first, i + 1, step, gain, left, found);
	}
}

static void
find_category(const Search *s, const MlBinColumn *column, const MlBinSum *sums, MlSplitFound *found)
{
	const MlTreeLimits *limits = s->scale->limits;
	Level		levels[ML_TREE_MAX_BINS + 1];
	int			n = 0;

	for (int b = 0; b <= column->nbins; b++)
		if (sums[b].h != 0 || sums[b].g != 0)
			levels[n++] = (Level) {
			b, (double) sums[b].g * s->scale->gradient / ((double) sums[b].h * s->scale->hessian + limits->cat_smooth)
		};
	if (n <= limits->max_cat_to_onehot)
		for (int i = 0; i < n && n > 1; i++)
		{
			double		gain = split_gain(s, sums[levels[i].bin], limits->l2);

			if (gain > found->gain)
				keep_levels(levels + i, 1, 1, gain, sums[levels[i].bin], found);
		}
	else
	{
		qsort(levels, (size_t) n, sizeof levels[0], by_order);
		find_prefix(s, levels, n, 1, sums, found);
		find_prefix(s, levels, n, -1, sums, found);
		found->subset = true;
	}
	if (found->gain < 0)
		return;
	/* levels that this leaf did not see go with the most, and so does what is missing */
	found->missing_left = 2 * found->sum.h > s->sum.h;
	if (sums[column->nbins].h != 0 || sums[column->nbins].g != 0)
		found->missing_left = found->left[column->nbins / 8] >> column->nbins % 8 & 1;
	for (int b = 0; b <= column->nbins; b++)
		if (sums[b].h == 0 && sums[b].g == 0 && found->missing_left)
			found->left[b / 8] |= (uint8_t) (1 << b % 8);
}

/* The hessian in units that a side must have at least. */
static int64_t
least_hessian(const MlSplitScale *scale, const MlSplitLeaf *leaf)
{
	double		h = scale->limits->min_child_weight / scale->hessian;
	double		rows = scale->limits->min_samples_leaf / leaf->weight * (double) leaf->sum.h;

	/* one unit at least: an empty side is none; a hair less, for the rounding of the quotients */
	rows = ceil(rows * (1 - 1e-9));
	h = ceil(h * (1 - 1e-9));
	h = h > rows ? h : rows;
	return h < 1 ? 1 : h > 9e18 ? INT64_MAX : (int64_t) h;
}

void
ml_split_find(const MlSplitScale *scale, const MlSplitLeaf *leaf, const MlBinColumn *column,
			  const MlBinSum *sums, MlSplitFound *found)
{
	Search		s = {.scale = scale,.sum = leaf->sum};
	double		least_gain;

	s.least = least_hessian(scale, leaf);
	s.parent = side_gain(scale, leaf->sum, leaf->l2);
	/* rounding makes gains of nothing */
	least_gain = scale->min_gain + 1e-12 * s.parent;
	memset(found, 0, sizeof *found);
	found->gain = least_gain;
	if (column->levels > 0)
		find_category(&s, column, sums, found);
	else
		find_number(&s, column, sums, found);
	if (!(found->gain > least_gain))
		found->gain = -1;
}
