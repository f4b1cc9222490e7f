/*
 * Exact Shapley values of trees by the weights of the training rows on their paths.
 *
 * Problem: a tree that knows only the features of a set S answers, at a split of one of S, as the row goes, and else
 *     the mean of both sides, weighted by their covers; phi_i is the Shapley value of that game over the slots.
 * Method:  to a leaf of value v each slot j on its path gives z_j, the product of the cover ratios of its splits, and
 *     o_j, 1 where the row takes all of them and else 0.  The game is v prod_{S} o_j prod_{not S} z_j, so
 *         phi_i = v (o_i - z_i) int_0^1 prod_{j != i} (z_j (1 - t) + o_j t) dt,
 *     a polynomial that Gauss-Legendre quadrature of half the path's slots integrates exactly, whatever slots the path
 *     does not have.  So one walk over a tree does for all its leaves: going down the product at each quadrature point
 *     gains a factor, coming back the sums over the leaves below give what the split's slot contributes.  A slot that
 *     is split on again replaces its factor.  All weights and factors are positive: nothing cancels.
 * Shapes:  vectors of SHAP_LANES rows go through a tree together, each in its own lane; [level][group][point].
 * Cost:    nodes times points a row and tree.
 * Papers:  Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020, for
 *     the game; Yu et al., Linear TreeShap, 2022, for sums over subtrees.
 */
#include <math.h>
#include <string.h>

#include "base/simd.h"
#include "explain/explain_internal.h"

#define MOST_GROUPS 8			/* the more, the less the tables of a level cost a row */
#define SCRATCH_GOAL 32768		/* doubles that should stay in the second cache */

typedef int64_t Mask8 __attribute__((vector_size(64), aligned(8), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The lanes of a where the mask is set, else of b: bits of scalars or vectors. */
#define CHOOSE(mask, a, b) ((((a) ^ (b)) & (mask)) ^ (b))

/* ---- quadrature ---- */

/* Legendre's polynomial of degree n at x, and its derivative. */
static long double
legendre(int n, long double x, long double *derivative)
{
	long double before = 1;
	long double p = x;

	for (int k = 2; k <= n; k++)
	{
		long double next = ((2 * k - 1) * x * p - (k - 1) * before) / k;

		before = p;
		p = next;
	}
	*derivative = n * (x * p - before) / (x * x - 1);
	return p;
}

/* The rule of so many points, exact for polynomials of degree 2 points - 1. */
static ShapRule *
create_rule(MlContext *ctx, int points)
{
	ShapRule   *rule = ml_alloc(ctx, sizeof *rule);

	rule->points = points;
	rule->t = ml_alloc_array(ctx, 3 * (size_t) points, sizeof(double));
	rule->w = rule->t + points;
	rule->absent = rule->w + points;
	for (int i = 0; i < points; i++)
	{
		long double x = cosl(3.14159265358979323846L * (i + 0.75L) / (points + 0.5L));
		long double slope;

		/* Newton's steps square the error of a good guess */
		for (int step = 0; step < 8; step++)
		{
			long double p = legendre(points, x, &slope);

			x -= p / slope;
		}
		legendre(points, x, &slope);
		rule->t[i] = (double) ((1 - x) / 2);
		rule->w[i] = (double) (1 / ((1 - x * x) * slope * slope));
		rule->absent[i] = (double) (-2 / (1 + x));
	}
	return rule;
}

/* ---- looking at the trees ---- */

/* Scratch for looking at a tree, as large as the largest one. */
typedef struct Look
{
	size_t	   *depth;			/* [nodes] */
	double	   *share;			/* [nodes] of the scale that reaches it */
	int		   *times;			/* [slots] splits of each on the way */
	size_t	   *node;			/* [depth + 1] */
} Look;

/* Depths and shares of a tree's nodes; adds its mean values to the base. */
static void
look_down(TreeShap *s, const MlEnsemble *e, size_t tree, Look *look)
{
	const MlForest *f = s->forest;
	size_t		begin = (size_t) f->tree_begin[tree];

	look->depth[0] = 0;
	look->share[0] = e->scale;
	for (size_t i = begin; i < (size_t) f->tree_begin[tree + 1]; i++)
	{
		size_t		at = i - begin;

		if (f->feature[i] >= 0)
		{
			size_t		left = (size_t) f->left[i] - begin;
			double		share = shap_left_share(f, i);

			look->depth[left] = look->depth[left + 1] = look->depth[at] + 1;
			look->share[left] = look->share[at] * share;
			look->share[left + 1] = look->share[at] * (1 - share);
			continue;
		}
		if (look->depth[at] > s->depth)
			s->depth = look->depth[at];
		for (int k = 0; k < f->width; k++)
			s->base[f->width > 1 ? (size_t) k : tree % (size_t) f->outputs] += look->share[at] *
				f->value[i * (size_t) f->width + (size_t) k];
	}
}

/* The most slots that a path of a tree splits on. */
static int
count_slots(const TreeShap *s, size_t tree, Look *look)
{
	const MlForest *f = s->forest;
	size_t		h = 0;
	int			slots = 0;
	int			most = 0;

	look->node[0] = (size_t) f->tree_begin[tree];
	for (;;)
	{
		size_t		at = look->node[h];

		if (f->feature[at] >= 0)
		{
			slots += look->times[s->slot[f->feature[at]]]++ == 0;
			look->node[++h] = (size_t) f->left[at];
			continue;
		}
		most = slots > most ? slots : most;
		/* back to the last split whose right side is to come */
		while (h > 0 && look->node[h] != (size_t) f->left[look->node[h - 1]])
		{
			h--;
			slots -= --look->times[s->slot[f->feature[look->node[h]]]] == 0;
		}
		if (h == 0)
			return most;
		look->node[h]++;
	}
}

TreeShap *
tree_shap_create(MlContext *ctx, const MlEnsemble *ensemble, const int *slot_of_column, size_t slots)
{
	const MlForest *f = ensemble->forest;
	TreeShap   *s = ml_alloc_zero(ctx, sizeof *s);
	size_t		largest = 1;
	size_t		level;
	Look		look;

	s->forest = f;
	s->scale = ensemble->scale;
	s->slot = slot_of_column;
	s->slots = slots;
	s->points = ml_alloc_array(ctx, f->trees + 1, sizeof(int));
	s->base = ml_alloc_array_zero(ctx, (size_t) f->outputs, sizeof(double));
	for (size_t t = 0; t < f->trees; t++)
		if ((size_t) (f->tree_begin[t + 1] - f->tree_begin[t]) > largest)
			largest = (size_t) (f->tree_begin[t + 1] - f->tree_begin[t]);
	look.depth = ml_alloc_array(ctx, largest, sizeof(size_t));
	look.share = ml_alloc_array(ctx, largest, sizeof(double));
	look.times = ml_alloc_array_zero(ctx, slots + 1, sizeof(int));
	for (size_t t = 0; t < f->trees; t++)
	{
		look_down(s, ensemble, t, &look);
		if (t % 64 == 0)
			ml_check(ctx);
	}
	look.node = ml_alloc_array(ctx, s->depth + 1, sizeof(size_t));
	for (size_t t = 0; t < f->trees; t++)
	{
		s->points[t] = (count_slots(s, t, &look) + 1) / 2;
		if (s->points[t] > s->most_points)
			s->most_points = s->points[t];
		if (t % 64 == 0)
			ml_check(ctx);
	}
	s->rules = ml_alloc_array_zero(ctx, (size_t) s->most_points + 1, sizeof(ShapRule *));
	for (size_t t = 0; t < f->trees; t++)
		if (s->points[t] > 0 && s->rules[s->points[t]] == NULL)
			s->rules[s->points[t]] = create_rule(ctx, s->points[t]);
	/* few rows at a time where the levels of many would not fit the cache */
	level = 2 * SHAP_LANES * ((size_t) s->most_points + 1) * (s->depth + 1) + slots * SHAP_LANES;
	for (s->groups = MOST_GROUPS; s->groups > 1 && (size_t) s->groups * level > SCRATCH_GOAL;)
		s->groups /= 2;
	ml_free(ctx, look.node);
	ml_free(ctx, look.times);
	ml_free(ctx, look.share);
	ml_free(ctx, look.depth);
	return s;
}

/* ---- one tree, some vectors of rows ---- */

/*
 * A level is a split's side on the way down.  Its tables say what a lane's product is multiplied by and what a lane's
 * sum counts for, by whether the row took all splits of the slot before (old) and takes this one too (new):
 * old and new, old only; where old is not set, the product is multiplied by the ratio and nothing counts.
 */
typedef struct Level
{
	double	   *factor[2];		/* [points] old only, both */
	double	   *count[2];		/* [points] */
	double	   *inverse;		/* [points] 1 / (z (1 - t) + t) */
	double	   *present;		/* [points] (1 - z) / (z (1 - t) + t) */
	MlDouble8  *product;		/* [groups][points] */
	MlDouble8  *sum;			/* [groups][points] */
	Mask8	   *taken;			/* [groups] the row took all splits of the slot */
	Mask8	   *left;			/* [groups] it goes left from here */
} Level;

typedef struct Walk
{
	const TreeShap *s;
	const ShapRule *rule;
	const double *x;
	size_t		ldx;
	int			groups;			/* of this time */
	double	   *levels;			/* [depth + 1][stride] */
	size_t		stride;
	double	   *z;				/* [depth + 1] */
	size_t	   *node;			/* [depth + 1] */
	size_t	   *before;			/* [depth + 1] the level of the slot's split before, 0 = none */
	size_t	   *last;			/* [slots] the level of its last split, 0 = none */
	MlDouble8  *phi;			/* [slots][groups] */
} Walk;

/* Doubles of a level. */
static size_t
level_size(const TreeShap *s)
{
	size_t		points = (size_t) s->most_points;
	size_t		groups = (size_t) s->groups;

	return (2 * points + 2) * groups * SHAP_LANES + (6 * points + SHAP_LANES - 1) / SHAP_LANES * SHAP_LANES;
}

size_t
tree_shap_scratch(const TreeShap *s)
{
	size_t		size = (s->depth + 1) * (level_size(s) + 3) + s->slots * ((size_t) s->groups * SHAP_LANES + 1);

	return (size + SHAP_LANES - 1) / SHAP_LANES * SHAP_LANES;
}

/* Lay the scratch space out. */
static void
lay_out(Walk *w, const TreeShap *s, double *scratch)
{
	size_t		levels = s->depth + 1;

	w->s = s;
	w->stride = level_size(s);
	w->levels = scratch;
	w->phi = (MlDouble8 *) (w->levels + levels * w->stride);
	w->z = (double *) (w->phi + s->slots * (size_t) s->groups);
	w->node = (size_t *) (w->z + levels);
	w->before = w->node + levels;
	w->last = w->before + levels;
	memset(w->last, 0, s->slots * sizeof(size_t));
}

ALWAYS_INLINE Level
level_at(const Walk *w, size_t h)
{
	size_t		points = (size_t) w->rule->points;
	size_t		vectors = (size_t) w->s->groups * points;
	Level		level;

	level.product = (MlDouble8 *) (w->levels + h * w->stride);
	level.sum = level.product + vectors;
	level.taken = (Mask8 *) (level.sum + vectors);
	level.left = level.taken + w->s->groups;
	level.factor[0] = (double *) (level.left + w->s->groups);
	level.factor[1] = level.factor[0] + points;
	level.count[0] = level.factor[1] + points;
	level.count[1] = level.count[0] + points;
	level.inverse = level.count[1] + points;
	level.present = level.inverse + points;
	return level;
}

/* Which rows go left from a node. */
ALWAYS_INLINE void
decide(const Walk *w, size_t node, Mask8 *left)
{
	const MlForest *f = w->s->forest;
	const double *x = w->x + (size_t) f->feature[node] * w->ldx;

	if (f->levels[f->feature[node]] > 0)
	{
		for (size_t i = 0; i < (size_t) w->groups * SHAP_LANES; i++)
			((int64_t *) left)[i] = -(int64_t) ml_forest_goes_left(f, node, x[i]);
		return;
	}
	for (int g = 0; g < w->groups; g++)
	{
		MlDouble8	v = *(const MlDouble8 *) (x + g * SHAP_LANES);

		left[g] = v <= f->threshold[node];
		if (ml_forest_missing_left(f, node))
			left[g] |= v != v;
	}
}

/* Fill the tables of a level whose slot has the share z now, of which the last split has ratio. */
ALWAYS_INLINE void
fill_tables(const Walk *w, const Level *level, size_t before, double z)
{
	int			points = w->rule->points;
	const double *restrict t = w->rule->t;
	const double *restrict rule_absent = w->rule->absent;
	double	   *restrict inverse = level->inverse;
	double	   *restrict present = level->present;
	double	   *restrict factor0 = level->factor[0];
	double	   *restrict factor1 = level->factor[1];
	double	   *restrict count0 = level->count[0];
	double	   *restrict count1 = level->count[1];

	for (int q = 0; q < points; q++)
	{
		double		absent = z * (1 - t[q]);

		factor0[q] = absent;
		factor1[q] = absent + t[q];
		inverse[q] = 1 / (absent + t[q]);
		present[q] = count1[q] = (1 - z) * inverse[q];
		count0[q] = rule_absent[q];
	}
	if (before > 0)
	{
		Level		old = level_at(w, before);

		for (int q = 0; q < points; q++)
		{
			level->factor[0][q] *= old.inverse[q];
			level->factor[1][q] *= old.inverse[q];
			level->count[0][q] -= old.present[q];
			level->count[1][q] -= old.present[q];
		}
	}
}

/* Go down to the node of level h: its slot's state, and where the rows stand. */
ALWAYS_INLINE double
enter(Walk *w, size_t h, Level *level)
{
	const MlForest *f = w->s->forest;
	size_t		parent = w->node[h - 1];
	size_t		slot = (size_t) w->s->slot[f->feature[parent]];
	bool		is_left = w->node[h] == (size_t) f->left[parent];
	double		share = shap_left_share(f, parent);
	double		ratio = is_left ? share : 1 - share;
	size_t		before = w->last[slot];
	const Mask8 *left = level_at(w, h - 1).left;

	w->before[h] = before;
	w->last[slot] = h;
	w->z[h] = before > 0 ? w->z[before] * ratio : ratio;
	*level = level_at(w, h);
	fill_tables(w, level, before, w->z[h]);
	for (int g = 0; g < w->groups; g++)
		level->taken[g] = is_left ? left[g] : ~left[g];
	if (before > 0)
	{
		const Mask8 *taken = level_at(w, before).taken;

		for (int g = 0; g < w->groups; g++)
			level->taken[g] &= taken[g];
	}
	return ratio;
}

ALWAYS_INLINE int64_t
bits_of(double v)
{
	int64_t		bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* A leaf: its value through all points, down and back at once. */
ALWAYS_INLINE void
visit_leaf(Walk *w, size_t h, double value)
{
	Level		level;
	double		ratio = enter(w, h, &level);
	Level		parent = level_at(w, h - 1);
	int			points = w->rule->points;
	size_t		slot = (size_t) w->s->slot[w->s->forest->feature[w->node[h - 1]]];
	bool		is_left = w->node[h] == (size_t) w->s->forest->left[w->node[h - 1]];
	const Mask8 *old = w->before[h] > 0 ? level_at(w, w->before[h]).taken : NULL;

	for (int g = 0; g < w->groups; g++)
	{
		Mask8		taken = level.taken[g];
		MlDouble8	total = {0};

		for (int q = 0; q < points; q++)
		{
			Mask8		factor = CHOOSE(taken, bits_of(level.factor[1][q]), bits_of(level.factor[0][q]));
			Mask8		count = CHOOSE(taken, bits_of(level.count[1][q]), bits_of(level.count[0][q]));
			MlDouble8	sum;

			if (old != NULL)
			{
				factor = CHOOSE(old[g], factor, bits_of(ratio));
				count &= old[g];
			}
			sum = parent.product[g * points + q] * (MlDouble8) factor * value;
			total += sum * (MlDouble8) count;
			if (is_left)
				parent.sum[g * points + q] = sum;
			else
				parent.sum[g * points + q] += sum;
		}
		w->phi[slot * (size_t) w->groups + (size_t) g] += total;
	}
	w->last[slot] = w->before[h];
}

/* A split, on the way down. */
ALWAYS_INLINE void
visit_split(Walk *w, size_t h)
{
	Level		level;
	double		ratio = enter(w, h, &level);
	Level		parent = level_at(w, h - 1);
	int			points = w->rule->points;
	const Mask8 *old = w->before[h] > 0 ? level_at(w, w->before[h]).taken : NULL;

	decide(w, w->node[h], level.left);
	for (int g = 0; g < w->groups; g++)
	{
		Mask8		taken = level.taken[g];

		for (int q = 0; q < points; q++)
		{
			Mask8		factor = CHOOSE(taken, bits_of(level.factor[1][q]), bits_of(level.factor[0][q]));

			if (old != NULL)
				factor = CHOOSE(old[g], factor, bits_of(ratio));
			level.product[g * points + q] = parent.product[g * points + q] * (MlDouble8) factor;
		}
	}
}

/* The same split, on the way back. */
ALWAYS_INLINE void
leave_split(Walk *w, size_t h)
{
	Level		level = level_at(w, h);
	Level		parent = level_at(w, h - 1);
	int			points = w->rule->points;
	size_t		slot = (size_t) w->s->slot[w->s->forest->feature[w->node[h - 1]]];
	bool		is_left = w->node[h] == (size_t) w->s->forest->left[w->node[h - 1]];
	const Mask8 *old = w->before[h] > 0 ? level_at(w, w->before[h]).taken : NULL;

	for (int g = 0; g < w->groups; g++)
	{
		Mask8		taken = level.taken[g];
		MlDouble8	total = {0};

		for (int q = 0; q < points; q++)
		{
			Mask8		count = CHOOSE(taken, bits_of(level.count[1][q]), bits_of(level.count[0][q]));
			MlDouble8	sum = level.sum[g * points + q];

			if (old != NULL)
				count &= old[g];
			total += sum * (MlDouble8) count;
			if (is_left)
				parent.sum[g * points + q] = sum;
			else
				parent.sum[g * points + q] += sum;
		}
		w->phi[slot * (size_t) w->groups + (size_t) g] += total;
	}
	w->last[slot] = w->before[h];
}

/* Add a tree's contributions to phi; value: which of a node's. */
static ML_MULTIVERSION void
walk_tree(Walk *w, size_t tree, int value)
{
	const MlForest *f = w->s->forest;
	size_t		h = 0;
	Level		root = level_at(w, 0);

	w->node[0] = (size_t) f->tree_begin[tree];
	for (int g = 0; g < w->groups; g++)
		for (int q = 0; q < w->rule->points; q++)
			root.product[g * w->rule->points + q] = w->rule->w[q] - (MlDouble8) {0};
	decide(w, w->node[0], root.left);
	for (;;)
	{
		w->node[h + 1] = (size_t) f->left[w->node[h]];
		h++;
		/* the sides from here on: down the left ones, leaves done at once */
		for (;;)
		{
			size_t		at = w->node[h];

			if (f->feature[at] >= 0)
			{
				visit_split(w, h);
				break;
			}
			visit_leaf(w, h, f->value[at * (size_t) f->width + (size_t) value]);
			while (h > 0 && w->node[h] != (size_t) f->left[w->node[h - 1]])
				if (--h > 0)
					leave_split(w, h);
			if (h == 0)
				return;
			w->node[h]++;
		}
	}
}

void
tree_shap_rows(const TreeShap *s, int output, const double *x, size_t ldx, size_t n, double *out, size_t ldout,
			   double *scratch)
{
	size_t		together = (size_t) s->groups * SHAP_LANES;
	Walk		w;

	lay_out(&w, s, scratch);
	w.ldx = ldx;
	for (size_t begin = 0; begin < n; begin += together)
	{
		size_t		rows = n - begin < together ? n - begin : together;

		w.x = x + begin;
		w.groups = (int) ((rows + SHAP_LANES - 1) / SHAP_LANES);
		memset(w.phi, 0, s->slots * (size_t) w.groups * sizeof(MlDouble8));
		for (size_t t = 0; t < s->forest->trees; t++)
		{
			int			value = shap_value_of(s->forest, t, output);

			if (value < 0 || s->points[t] == 0)
				continue;
			w.rule = s->rules[s->points[t]];
			walk_tree(&w, t, value);
		}
		for (size_t slot = 0; slot < s->slots; slot++)
		{
			const double *phi = (const double *) (w.phi + slot * (size_t) w.groups);

			for (size_t i = 0; i < rows; i++)
				out[slot * ldout + begin + i] += s->scale * phi[i];
		}
	}
}
