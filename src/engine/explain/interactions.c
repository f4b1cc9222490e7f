/*
 * Shapley interaction values of trees, one row at a time.
 *
 * Problem: Phi_ij (i != j) is half the Shapley interaction index of slots i and j in the games of tree_shap.c and
 *     tree_background.c; Phi_ii is what is left of phi_i.
 * Method:  with z_j and o_j as there (against a background row z_j is 1 where that row takes all splits of the slot,
 *     else 0), a leaf of value v gives
 *         Phi_ij = v / 2 (o_i - z_i) (o_j - z_j) int_0^1 prod_{k != i, j} (z_k (1 - t) + o_k t) dt,
 *     by the same quadrature; leaf by leaf.
 * Cost:    leaves times slots of a path squared times points; times background rows.
 * Paper:   Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020.
 */
#include <string.h>

#include "explain/explain_internal.h"

/* A slot on the path to a node. */
typedef struct Member
{
	size_t		slot;
	double		z;
	double		o;
} Member;

/* A split on the way down; its member as it was before. */
typedef struct Step
{
	size_t		node;
	size_t		member;
	bool		added;			/* the slot's first split on the path */
	Member		before;			/* what it was */
} Step;

typedef struct Path
{
	const TreeShap *s;
	const double *x;			/* x[j] of the row */
	const double *b;			/* of the background row; NULL = covers */
	double		weight;			/* of this game */
	Step	   *steps;			/* [depth + 1] */
	Member	   *members;		/* [slots of a path] */
	size_t		count;			/* of members */
	size_t	   *place;			/* [slots] of the slot's member plus one, 0 = none */
	double	   *effect;			/* [slots of a path] at a point */
	double	   *out;			/* [slots * slots] */
} Path;

/* Take the side of level h that its node is. */
static void
take_side(Path *p, size_t h)
{
	const MlForest *f = p->s->forest;
	Step	   *step = &p->steps[h];
	size_t		parent = step[-1].node;
	int			column = f->feature[parent];
	size_t		slot = (size_t) p->s->slot[column];
	bool		left = step->node == (size_t) f->left[parent];
	double		share = shap_left_share(f, parent);
	double		ratio = left ? share : 1 - share;
	Member	   *member;

	if (p->b != NULL)
		ratio = ml_forest_goes_left(f, parent, p->b[column]) == left;
	step->added = p->place[slot] == 0;
	if (step->added)
	{
		p->members[p->count] = (Member) {.slot = slot,.z = 1,.o = 1};
		p->place[slot] = ++p->count;
	}
	step->member = p->place[slot] - 1;
	member = &p->members[step->member];
	step->before = *member;
	member->z *= ratio;
	member->o *= ml_forest_goes_left(f, parent, p->x[column]) == left;
}

/* Back from that side. */
static void
leave_side(Path *p, size_t h)
{
	const Step *step = &p->steps[h];

	if (step->added)
		p->place[p->members[--p->count].slot] = 0;
	else
		p->members[step->member] = step->before;
}

/* All pairs of the path to a leaf. */
static void
add_pairs(Path *p, const ShapRule *rule, double value)
{
	size_t		slots = p->s->slots;

	for (int q = 0; q < rule->points; q++)
	{
		double		t = rule->t[q];
		double		product = p->weight * value * rule->w[q] / 2;

		for (size_t m = 0; m < p->count; m++)
		{
			double		factor = p->members[m].z * (1 - t) + p->members[m].o * t;

			if (factor == 0)
				return;			/* whatever the point: neither row takes the slot's splits */
			product *= factor;
			p->effect[m] = (p->members[m].o - p->members[m].z) / factor;
		}
		for (size_t m = 1; m < p->count; m++)
			for (size_t l = 0; l < m; l++)
			{
				double		effect = product * p->effect[m] * p->effect[l];

				p->out[p->members[m].slot * slots + p->members[l].slot] += effect;
				p->out[p->members[l].slot * slots + p->members[m].slot] += effect;
			}
	}
}

/* One tree's pairs. */
static void
walk_path(Path *p, size_t tree, int value)
{
	const MlForest *f = p->s->forest;
	const ShapRule *rule = p->s->rules[p->s->points[tree]];
	size_t		h = 0;

	p->steps[0].node = (size_t) f->tree_begin[tree];
	for (;;)
	{
		size_t		at = p->steps[h].node;

		if (h > 0)
			take_side(p, h);
		if (f->feature[at] >= 0)
		{
			p->steps[++h].node = (size_t) f->left[at];
			continue;
		}
		add_pairs(p, rule, f->value[at * (size_t) f->width + (size_t) value]);
		for (;;)
		{
			leave_side(p, h);
			if (p->steps[h].node == (size_t) f->left[p->steps[h - 1].node])
				break;
			if (--h == 0)
				return;
		}
		p->steps[h].node++;
	}
}

void
tree_interactions(MlContext *ctx, const TreeShap *s, int output, const double *x, double *out)
{
	size_t		games = s->background_rows > 0 ? s->background_rows : 1;
	size_t		members = 2 * (size_t) s->most_points + 1;
	Path		p = {.s = s,.x = x,.weight = s->scale / (double) games,.out = out};

	p.steps = ml_alloc_array_zero(ctx, s->depth + 1, sizeof(Step));
	p.members = ml_alloc_array(ctx, members, sizeof(Member));
	p.effect = ml_alloc_array(ctx, members, sizeof(double));
	p.place = ml_alloc_array_zero(ctx, s->slots + 1, sizeof(size_t));
	for (size_t game = 0; game < games; game++)
	{
		p.b = s->background_rows > 0 ? s->background + game * (size_t) s->forest->columns : NULL;
		for (size_t t = 0; t < s->forest->trees; t++)
		{
			int			value = shap_value_of(s->forest, t, output);

			if (value >= 0 && s->points[t] > 0)
				walk_path(&p, t, value);
			if (t % 64 == 0)
				ml_check(ctx);
		}
	}
	ml_free(ctx, p.place);
	ml_free(ctx, p.effect);
	ml_free(ctx, p.members);
	ml_free(ctx, p.steps);
}
