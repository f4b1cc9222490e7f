/*
 * The best split of a leaf by one column, from the sums of its bins.
 *
 * Problem: with G, H the sums of gradients and hessians on a side, T(G) = sign(G) max(|G| - l1, 0) and w the
 *     side's value, maximise  S(left) + S(right) - S(leaf),  S = -(2 T(G) w + (H + l2) w^2),
 *     over the splits whose sides have enough rows and hessian; the gain must exceed min_split_gain.
 * Values: w = -T(G) / (H + l2), so that S = T(G)^2 / (H + l2); then at most max_delta_step in size; then drawn to
 *     the parent's by path_smooth, w n / (n + path_smooth) + w_parent path_smooth / (n + path_smooth) of n rows; then
 *     between the bounds that monotone columns above have set.  A split by a monotone column is none where the
 *     values are in the wrong order.
 * Numbers: every edge, with the missing values on the right, then on the left; with extra_random one edge
 *     by chance.
 * Categories: each level against the rest where a leaf has at most max_cat_to_onehot; else levels in the
 *     order of G / (H + cat_smooth), whose best subset is a prefix (Fisher 1958), from both ends, at most
 *     max_cat_threshold levels, with l2 + cat_l2; with extra_random one level, or one length of the prefix,
 *     by chance.  Levels of fewer rows than min_samples_category count as one there, which is left out if it has too
 *     few itself, and then goes right.  What is missing is a level among them.
 * Ties go to the split found first.
 * Papers: Ke et al., LightGBM, 2017; Chen and Guestrin, XGBoost, 2016, for the gain; Geurts et al., Extremely
 *     randomized trees, 2006.
 *
 * How many rows a side has is not kept a bin: it is the leaf's rows times the side's share of the
 * hessian, which is exact for the squared error and an estimate for others.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/simd.h"
#include "learn/tree_internal.h"

/* What is the same for every split of a leaf. */
typedef struct Search
{
	const MlSplitScale *scale;
	const MlSplitLeaf *leaf;
	double		least;			/* hessian that a side must have, in units */
	double		parent;			/* S of the leaf as it is */
	int			monotone;
	uint64_t	chance;			/* with extra_random */
} Search;

/* T(G). */
static inline double
soften(double g, double l1)
{
	return g > l1 ? g - l1 : g < -l1 ? g + l1 : 0;
}

double
ml_split_value(const MlSplitScale *scale, MlBinSum sum, double l2, double weight, double parent_value,
			   double lower, double upper)
{
	double		g = soften((double) sum.g * scale->gradient, scale->l1);
	double		h = (double) sum.h * scale->hessian + l2;
	double		value = h > 0 && g != 0 ? -g / h : 0;
	double		smooth = scale->limits->path_smooth;

	if (!scale->bound)
		return value;
	if (scale->max_delta_step > 0 && fabs(value) > scale->max_delta_step)
		value = copysign(scale->max_delta_step, value);
	if (smooth > 0)
		value = (value * weight + parent_value * smooth) / (weight + smooth);
	return value < lower ? lower : value > upper ? upper : value;
}

/* S of a side of that value. */
static double
gain_of_value(const MlSplitScale *scale, MlBinSum sum, double l2, double value)
{
	double		g = soften((double) sum.g * scale->gradient, scale->l1);
	double		h = (double) sum.h * scale->hessian + l2;

	return -(2 * g * value + h * value * value);
}

/* The value of a side, its rows estimated. */
static double
side_value(const Search *s, MlBinSum sum, double l2)
{
	const MlSplitLeaf *leaf = s->leaf;
	double		weight = leaf->weight * (double) sum.h / (double) leaf->sum.h;

	return ml_split_value(s->scale, sum, l2, weight, leaf->value, leaf->lower, leaf->upper);
}

/* The gain of a split where values are bound by more than the sums; -1 = not allowed. */
static double
bound_gain(const Search *s, MlBinSum left, MlBinSum right, double l2)
{
	double		low = side_value(s, left, l2);
	double		high = side_value(s, right, l2);

	if (s->monotone * (high - low) < 0)
		return -1;
	return gain_of_value(s->scale, left, l2, low) + gain_of_value(s->scale, right, l2, high) - s->parent;
}

/* The gain of a split with these gradients on its sides, and hessians with l2. */
static inline double
free_gain(double gl, double hl, double gr, double hr, double l1, double parent)
{
	gl = soften(gl, l1);
	gr = soften(gr, l1);
	return (gl * gl * hr + gr * gr * hl) / (hl * hr) - parent;
}

/* The gain of a split with this left side, -1 where it is not allowed. */
static double
split_gain(const Search *s, MlBinSum left, double l2)
{
	const MlSplitScale *scale = s->scale;
	MlBinSum	right = {s->leaf->sum.g - left.g, s->leaf->sum.h - left.h};

	if ((double) left.h < s->least || (double) right.h < s->least)
		return -1;
	if (scale->bound)
		return bound_gain(s, left, right, l2);
	return free_gain((double) left.g * scale->gradient, (double) left.h * scale->hessian + l2,
					 (double) right.g * scale->gradient, (double) right.h * scale->hessian + l2, scale->l1, s->parent);
}

/* The leaf's and column's number by chance among 0 .. n - 1. */
static int
chance_below(const Search *s, int n)
{
	return (int) (((unsigned __int128) s->chance * (uint64_t) n) >> 64);
}

/* ---- numbers ---- */

#define LANES 8

/* Splits of a column of numbers: after each bin that the leaf has rows in. */
typedef struct Edges
{
	int			n;
	int			bin[ML_TREE_MAX_BINS + LANES];
	double		g[ML_TREE_MAX_BINS + LANES];	/* sums of the left sides, in units: integers below 2^53, exact */
	double		h[ML_TREE_MAX_BINS + LANES];
	double		gain[ML_TREE_MAX_BINS + LANES];
} Edges;

/* The gains of splits from .. to - 1, -1 where they are not allowed; returns the largest. */
static ML_MULTIVERSION double
free_gains(const Search *s, Edges *e, int from, int to)
{
	const double *restrict g = e->g;
	const double *restrict h = e->h;
	double	   *restrict gain = e->gain;
	double		g_unit = s->scale->gradient;
	double		h_unit = s->scale->hessian;
	double		g_all = (double) s->leaf->sum.g;
	double		h_all = (double) s->leaf->sum.h;
	double		l1 = s->scale->l1;
	double		l2 = s->scale->limits->l2;
	double		least = s->least;
	double		parent = s->parent;
	double		best[LANES];

	for (int i = from; i < to; i++)
	{
		double		h_right = h_all - h[i];
		double		value = free_gain(g[i] * g_unit, h[i] * h_unit + l2, (g_all - g[i]) * g_unit,
									  h_right * h_unit + l2, l1, parent);

		gain[i] = h[i] >= least && h_right >= least ? value : -1;
	}
	for (int l = 0; l < LANES; l++)
		gain[to + l] = best[l] = -1;
	for (int i = from; i < to; i += LANES)
		for (int l = 0; l < LANES; l++)
			best[l] = gain[i + l] > best[l] ? gain[i + l] : best[l];
	for (int l = 1; l < LANES; l++)
		best[0] = best[l] > best[0] ? best[l] : best[0];
	return best[0];
}

/* The same where values are bound. */
static double
bound_gains(const Search *s, Edges *e, int from, int to)
{
	double		best = -1;

	for (int i = from; i < to; i++)
	{
		e->gain[i] = split_gain(s, (MlBinSum) {(int64_t) e->g[i], (int64_t) e->h[i]}, s->scale->limits->l2);
		best = e->gain[i] > best ? e->gain[i] : best;
	}
	return best;
}

/* Keep the best of the splits from .. to - 1. */
static void
try_numbers(const Search *s, Edges *e, int from, int to, bool missing_left, MlSplitFound *found)
{
	double		best;
	int			i = from;

	if (from >= to)
		return;
	best = s->scale->bound ? bound_gains(s, e, from, to) : free_gains(s, e, from, to);
	if (!(best > found->gain))
		return;
	while (e->gain[i] != best)
		i++;
	found->gain = best;
	found->bin = e->bin[i];
	found->missing_left = missing_left;
	found->sum = (MlBinSum) {(int64_t) e->g[i], (int64_t) e->h[i]};
}

/* Find the bins that have rows, and the sums up to them. */
static void
find_edges(const int64_t *g, const int64_t *h, int nbins, Edges *e)
{
	MlBinSum	sum = {0, 0};
	int			n = 0;

	for (int b = 0; b < nbins; b++)
	{
		sum.g += g[b];
		sum.h += h[b];
		e->bin[n] = b;
		e->g[n] = (double) sum.g;
		e->h[n] = (double) sum.h;
		n += (g[b] | h[b]) != 0;
	}
	e->n = n;
}

static void
find_number(const Search *s, const MlBinColumn *column, const int64_t *g, const int64_t *h, MlSplitFound *found)
{
	int			n = column->nbins;
	bool		has_missing = h[n] != 0 || g[n] != 0;
	Edges		e;
	int			from = 0;
	int			to;

	find_edges(g, h, n, &e);
	/* after the last value there is what is missing */
	to = has_missing ? e.n : e.n - 1;
	if (s->scale->limits->extra_random && e.n > 1)
	{
		from = chance_below(s, e.n - 1);
		to = from + 1;
	}
	try_numbers(s, &e, from, to, false, found);
	if (has_missing)
	{
		to = to < e.n - 1 ? to : e.n - 1;
		for (int i = from; i < to; i++)
		{
			e.g[i] += (double) g[n];
			e.h[i] += (double) h[n];
		}
		try_numbers(s, &e, from, to, true, found);
		/* all values are on the left, whatever may come beyond them */
		if (found->gain >= 0 && e.n > 0 && !found->missing_left && found->bin == e.bin[e.n - 1])
			found->bin = n - 1;
	}
	/* where nothing is missing, what will be goes with the most */
	else if (found->gain >= 0)
		found->missing_left = 2 * found->sum.h > s->leaf->sum.h;
}

/* ---- categories ---- */

#define RARE INT_MAX			/* in place of the bins of levels that a leaf has few rows of */

/* Is a level before another one? */
static inline bool
level_before(const MlSplitLevel *a, const MlSplitLevel *b)
{
	return a->order != b->order ? a->order < b->order : a->bin < b->bin;
}

static int
by_order(const void *pa, const void *pb)
{
	return level_before(pa, pb) ? -1 : 1;
}

/* A level of these sums. */
static inline MlSplitLevel
make_level(const MlSplitScale *scale, int bin, MlBinSum sum)
{
	return (MlSplitLevel) {
		(double) sum.g * scale->gradient / ((double) sum.h * scale->hessian + scale->limits->cat_smooth), bin, sum
	};
}

/* Is a level that was put in order on the left of the split that was found? */
static inline bool
is_left(const MlSplitFound *found, const MlSplitLevel *level)
{
	if (level->bin == found->last.bin || found->step == 0)
		return level->bin == found->last.bin;
	return level_before(level, &found->last) == (found->step > 0);
}

/* Does a bin with these sums go left? */
static inline bool
goes_left(const MlSplitScale *scale, const MlSplitFound *found, int bin, MlBinSum sum)
{
	MlSplitLevel level;

	if (sum.h == 0 && sum.g == 0)
		return found->unseen_left;
	if ((double) sum.h < found->least)
		return found->rare_left;
	level = make_level(scale, bin, sum);
	return is_left(found, &level);
}

/* Each of n levels against the rest. */
static void
find_one(const Search *s, const MlSplitLevel *levels, int n, MlSplitFound *found)
{
	int			chosen = s->scale->limits->extra_random ? chance_below(s, n) : -1;

	for (int i = 0; i < n && n > 1; i++)
	{
		MlBinSum	left = levels[i].sum;
		double		gain = chosen < 0 || i == chosen ? split_gain(s, left, s->scale->limits->l2) : -1;

		if (gain > found->gain)
		{
			found->gain = gain;
			found->sum = left;
			found->last = levels[i];
		}
	}
}

/* Prefixes of the ordered levels, from one end. */
static void
find_prefix(const Search *s, const MlSplitLevel *levels, int n, int most, int step, MlSplitFound *found)
{
	const MlTreeLimits *limits = s->scale->limits;
	const MlSplitLevel *level = step > 0 ? levels : levels + n - 1;
	int			chosen = limits->extra_random ? chance_below(s, most) : -1;
	MlBinSum	left = {0, 0};

	for (int i = 0; i < most; i++, level += step)
	{
		double		gain;

		left.g += level->sum.g;
		left.h += level->sum.h;
		gain = chosen < 0 || i == chosen ? split_gain(s, left, limits->l2 + limits->cat_l2) : -1;
		if (gain > found->gain)
		{
			found->gain = gain;
			found->sum = left;
			found->last = *level;
			found->step = (int8_t) step;
		}
	}
}

/* Bring the first k of n levels to the front, in any order (Hoare 1961). */
static void
select_levels(MlSplitLevel *levels, int n, int k)
{
	int			low = 0;
	int			high = n - 1;

	while (low < high)
	{
		MlSplitLevel pivot = levels[low + (high - low) / 2];
		int			i = low;
		int			j = high;

		while (i <= j)
		{
			while (level_before(&levels[i], &pivot))
				i++;
			while (level_before(&pivot, &levels[j]))
				j--;
			if (i <= j)
			{
				MlSplitLevel swap = levels[i];

				levels[i++] = levels[j];
				levels[j--] = swap;
			}
		}
		if (k <= j)
			high = j;
		else if (k >= i)
			low = i;
		else
			break;
	}
}

/* Put the first and the last of n levels in order; what is between them nobody looks at. */
static void
sort_ends(MlSplitLevel *levels, int n, int most)
{
	int			rest = n - 2 * most;

	if (rest > 0)
	{
		select_levels(levels, n, most);
		select_levels(levels + most, n - most, rest);
		qsort(levels, (size_t) most, sizeof levels[0], by_order);
		qsort(levels + most + rest, (size_t) most, sizeof levels[0], by_order);
	}
	else
		qsort(levels, (size_t) n, sizeof levels[0], by_order);
}

/* Find the best set of levels; those that the leaf has few rows of count as one, RARE. */
static void
find_category(const Search *s, const MlBinColumn *column, const int64_t *g, const int64_t *h, MlSplitLevel *levels,
			  MlSplitFound *found)
{
	const MlTreeLimits *limits = s->scale->limits;
	double		least = limits->min_samples_category / s->leaf->weight * (double) s->leaf->sum.h * (1 - 1e-9);
	MlBinSum	rare = {0, 0};
	int			n = 0;
	bool		any_rare = false;

	for (int b = 0; b <= column->nbins; b++)
		if (h[b] != 0 || g[b] != 0)
			levels[n++] = make_level(s->scale, b, (MlBinSum) {g[b], h[b]});
	if (n <= limits->max_cat_to_onehot)
		find_one(s, levels, n, found);
	else
	{
		int			kept = 0;
		int			most;

		for (int i = 0; i < n; i++)
			if ((double) levels[i].sum.h >= least)
				levels[kept++] = levels[i];
			else
			{
				rare.g += levels[i].sum.g;
				rare.h += levels[i].sum.h;
			}
		any_rare = rare.h > 0 && (double) rare.h >= least;
		if (any_rare)
			levels[kept++] = make_level(s->scale, RARE, rare);
		n = kept;
		most = (n + 1) / 2 < limits->max_cat_threshold ? (n + 1) / 2 : limits->max_cat_threshold;
		sort_ends(levels, n, most);
		find_prefix(s, levels, n, most, 1, found);
		find_prefix(s, levels, n, most, -1, found);
		found->least = least;
		found->subset = true;
	}
	/* levels that this leaf did not see go with the rare ones or, where there are none, with the most */
	found->rare_left = false;
	found->unseen_left = 2 * found->sum.h > s->leaf->sum.h;
	if (any_rare)
	{
		MlSplitLevel level = make_level(s->scale, RARE, rare);

		found->rare_left = found->unseen_left = is_left(found, &level);
	}
	found->missing_left = goes_left(s->scale, found, column->nbins, (MlBinSum) {g[column->nbins], h[column->nbins]});
}

void
ml_split_set(const MlSplitScale *scale, const MlBinColumn *column, const int64_t *g, const int64_t *h,
			 const MlSplitFound *found, uint32_t *set)
{
	memset(set, 0, ((size_t) column->nbins / 32 + 1) * sizeof(uint32_t));
	for (int b = 0; b <= column->nbins; b++)
		if (goes_left(scale, found, b, (MlBinSum) {g[b], h[b]}))
			set[b / 32] |= UINT32_C(1) << b % 32;
}

/* ---- both ---- */

/* The hessian in units that a side must have at least. */
static double
least_hessian(const MlSplitScale *scale, const MlSplitLeaf *leaf)
{
	double		h = scale->limits->min_child_weight / scale->hessian;
	double		rows = scale->limits->min_samples_leaf / leaf->weight * (double) leaf->sum.h;

	/* one unit at least: an empty side is none; a hair less, for the rounding of the quotients */
	rows = ceil(rows * (1 - 1e-9));
	h = ceil(h * (1 - 1e-9));
	h = h > rows ? h : rows;
	return h < 1 ? 1 : h;
}

/* S of the leaf as it is. */
static double
leaf_gain(const MlSplitScale *scale, const MlSplitLeaf *leaf)
{
	double		g = soften((double) leaf->sum.g * scale->gradient, scale->l1);
	double		h = (double) leaf->sum.h * scale->hessian + leaf->l2;

	if (scale->bound)
		return gain_of_value(scale, leaf->sum, leaf->l2, leaf->value);
	return h > 0 ? g * g / h : 0;
}

void
ml_split_find(const MlSplitScale *scale, const MlSplitLeaf *leaf, const MlBinColumn *column, int number,
			  const int64_t *g, const int64_t *h, MlSplitLevel *levels, MlSplitFound *found)
{
	const int8_t *monotone = scale->limits->monotone;
	Search		s = {
		.scale = scale,.leaf = leaf,.least = least_hessian(scale, leaf),.parent = leaf_gain(scale, leaf),
		.monotone = monotone != NULL && column->levels == 0 ? monotone[number] : 0,
		.chance = ml_mix64(leaf->key ^ ml_mix64((uint64_t) number)),
	};
	double		least_gain;

	/* rounding makes gains of nothing */
	least_gain = scale->min_gain + 1e-12 * fabs(s.parent);
	memset(found, 0, sizeof *found);
	found->gain = least_gain;
	if (column->levels > 0)
		find_category(&s, column, g, h, levels, found);
	else
		find_number(&s, column, g, h, found);
	if (!(found->gain > least_gain))
		found->gain = -1;
}
