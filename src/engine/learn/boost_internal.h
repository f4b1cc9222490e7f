/*
 * Inside gradient boosting: what the rounds (boost_rounds.c), the objectives (boost_objective.c, boost_rank.c), the
 * choice of rows and columns (boost_sample.c) and the model (gradient_boosting.c) share.
 */
#ifndef ML_BOOST_INTERNAL_H
#define ML_BOOST_INTERNAL_H

#include "learn/forest.h"

#define BOOST_PIECE 4096		/* rows of a piece of a pass */
#define BOOST_MAX_QUANTILES 99
#define BOOST_MAX_RELEVANCE 31

/* ---- parameters (boost_params.c) ---- */

/* In the order of the choices of parameter objective. */
typedef enum BoostObjectiveKind
{
	BOOST_AUTO,
	BOOST_SQUARED_ERROR,
	BOOST_ABSOLUTE_ERROR,
	BOOST_HUBER,
	BOOST_QUANTILE,
	BOOST_POISSON,
	BOOST_GAMMA,
	BOOST_TWEEDIE,
	BOOST_LOG_LOSS,
	BOOST_OVR,
	BOOST_LAMBDARANK
} BoostObjectiveKind;

/* In the order of the choices of parameter boosting. */
typedef enum BoostMode
{
	BOOST_GBDT,
	BOOST_DART,
	BOOST_GOSS,
	BOOST_RF
} BoostMode;

typedef struct BoostParams
{
	int			objective;		/* BoostObjectiveKind */
	int			boosting;		/* BoostMode */
	int64_t		n_estimators;
	double		learning_rate;
	int64_t		early_stopping_rounds;
	int64_t		max_leaf_nodes;
	int64_t		max_depth;
	int			grow_policy;	/* 0 leafwise, 1 depthwise */
	int64_t		min_samples_leaf;
	double		min_child_weight;
	double		min_split_gain;
	double		l1;
	double		l2;
	double		max_delta_step;
	double		path_smooth;
	int64_t		max_bins;
	double		subsample;
	double		colsample_bytree;
	double		colsample_bynode;
	bool		extra_trees;
	double		top_rate;
	double		other_rate;
	double		drop_rate;
	int64_t		max_drop;
	double		skip_drop;
	bool		uniform_drop;
	double		cat_smooth;
	double		cat_l2;
	int64_t		max_cat_to_onehot;
	int64_t		max_cat_threshold;
	double		min_samples_category;	/* NAN = min_samples_leaf, up to what the target says */
	const char *monotone_constraints;
	const char *interaction_constraints;
	const char *class_weight;
	const char *quantiles;
	double		huber_delta;
	double		tweedie_variance_power;
	int64_t		ndcg_at;
	int64_t		lambdarank_truncation_level;
	const char *group;
	const char *init_score;
	int64_t		seed;
} BoostParams;

extern const MlParam boost_params[];

/* Raises where parameters contradict each other, or a JSON is none that they take. */
extern void boost_check_params(MlContext *ctx, const void *params);
extern unsigned boost_tasks_of(const void *params);

/* The objective for a task. */
extern BoostObjectiveKind boost_objective_kind(const BoostParams *params, MlTaskKind task);
extern const char *boost_objective_name(BoostObjectiveKind kind);

/* The quantiles of the parameters, ascending; returns how many. */
extern int	boost_quantiles(MlContext *ctx, const BoostParams *params, double *levels);

/* What the parameters say about trees, with constraints by column. */
extern void boost_limits(MlContext *ctx, const BoostParams *params, const MlDesign *design, MlTreeLimits *limits);

/* ---- rows ---- */

/* The rows of positive weight of a design, and their scores. */
typedef struct BoostRows
{
	size_t		n;
	const double *target;		/* [n] */
	const double *weight;		/* [n], NULL = all one */
	const double *start;		/* [n], NULL = none */
	size_t	   *group_begin;	/* [groups + 1], NULL = none */
	size_t		groups;
	double	   *score;			/* [k][n] */
} BoostRows;

typedef struct Boost Boost;

/* ---- objectives (boost_objective.c, boost_rank.c) ---- */

/* Gradients are those of the loss of a row of weight one by its score. */
typedef struct BoostObjective
{
	/* Raises for a target that the objective has no loss for. */
	void		(*check) (MlContext *ctx, const BoostRows *rows);

	/* The constant that the loss is least for, of output c. */
	double		(*base) (const Boost *b, int c);

	/* Of rows begin .. begin + n - 1 (n <= ML_BLOCK_ROWS), of output c; NULL = the objective takes whole groups. */
	void		(*differentiate) (const Boost *b, int c, size_t begin, size_t n, double *g, double *h);

	/* The loss of such rows: scores score[i + c * ld] and targets y. */
	void		(*loss) (const Boost *b, const double *score, size_t ld, const double *y, size_t n, double *out);

	/* Leaves are quantiles of the residuals. */
	bool		by_quantile;

	/* exp(score) is what is predicted. */
	bool		log_link;
} BoostObjective;

extern const BoostObjective *boost_objective(BoostObjectiveKind kind);

/* The sum of the losses of rows over the sum of their weights; of a ranking, its mean NDCG. */
extern double boost_loss(const Boost *b, const BoostRows *rows);

/* Fill in what the objective needs to know of the rows before its base. */
extern void boost_prepare_objective(Boost *b);

/* Lay out what a ranking needs, once both sides' rows are there. */
extern void boost_rank_begin(Boost *b);

/* Gradients of all groups of a ranking; NDCG of rows. */
extern void boost_rank_check(MlContext *ctx, const BoostRows *rows);
extern void boost_rank_differentiate(Boost *b);
extern double boost_rank_ndcg(const Boost *b, const BoostRows *rows);

/* A value and its weight. */
typedef struct BoostWeighted
{
	double		value;
	double		weight;
} BoostWeighted;

/*
 * The quantile of weighted values, which are put in another order: the least value that has the share level of the
 * weight up to it; where values end just there, halfway to the next one.
 */
extern double boost_weighted_quantile(BoostWeighted *values, size_t n, double level);

/* ---- rounds (boost_rounds.c) ---- */

/* Gradient and hessian while they are not integers yet. */
typedef struct __attribute__((may_alias)) BoostGradient
{
	float		g;
	float		h;
} BoostGradient;

_Static_assert(sizeof(BoostGradient) == sizeof(int64_t), "gradients take the place of integers");

struct Boost
{
	MlContext  *ctx;
	const MlDesign *design;		/* weighed */
	const BoostParams *params;
	const double *class_weights;	/* NULL = all one */
	BoostObjectiveKind kind;
	const BoostObjective *objective;
	MlTreeLimits limits;
	MlBins	   *bins;
	MlGrower   *grower;
	BoostRows	rows;
	MlBins	   *held_bins;		/* NULL = nothing is held out, or nobody asks */
	const MlDesign *held_design;
	BoostRows	held;
	int			k;				/* scores a row */
	double	   *base;			/* [k] */
	float	   *share;			/* softmax: [k][n] probabilities at the begin of the round */
	int			output;			/* whose tree is grown */
	double		learning_rate;	/* as given, or what stands for it */
	double		rate;			/* what the values of a tree are multiplied by */
	double		subsample;		/* as given, or what stands for it */
	double		colsample;		/* colsample_bytree as given, or what stands for it */
	uint32_t   *place;			/* [n] of a row in the order of content; NULL = all rows are taken */
	bool	   *held_back;		/* [n] of a trial: rows that no tree is grown on; NULL = none */
	double		quantiles[BOOST_MAX_QUANTILES];
	int			nquantiles;
	double		huber_delta;
	double	   *piece_max;		/* [2][pieces] */
	double	   *piece_loss;		/* [2][pieces] */
	double	   *scratch;		/* softmax: [threads][k * ML_BLOCK_ROWS] */
	struct BoostRanking *ranking;
	BoostGradient *gradients;	/* [n] of the output; they lie where the grower's integers will */
	BoostWeighted *residuals;	/* [n], of objectives by quantile */
	double		gradient_max;
	double		hessian_max;
	bool	   *use;			/* [columns], NULL = all */
	size_t		first_tree;		/* trees before are another training's */
	double	   *dropped;		/* dart: [k][n] scores of the trees that are left out */
	size_t	   *drop;			/* dart: [drops] rounds left out */
	size_t		drops;
	double	   *round_weight;	/* dart: [rounds] */
	MlForestBuilder forest;
	double	   *history;		/* [rounds] losses of the rows held out */
	size_t		rounds;
	size_t		best_round;		/* counted from 1; 0 = not asked for */
};

/*
 * Rows, bins and scores; trees of a model in front when from is not NULL.  learning_rate is for parameters that leave
 * it open, 0 = nothing is known.
 */
extern void boost_create(Boost *b, MlContext *ctx, const MlDesign *design, const BoostParams *params,
						 const MlEnsemble *from, double learning_rate);
/* Rows and scores, to give a model's leaves new values. */
extern void boost_create_refit(Boost *b, MlContext *ctx, const MlDesign *design, const BoostParams *params,
							   const MlEnsemble *from, double learning_rate, double decay_rate);
extern void boost_grow(Boost *b);
extern void boost_write(const Boost *b, MlWriter *w);

/* What rows begin with: the base and their own. */
extern void boost_fill_scores(const Boost *b, BoostRows *rows);

/* The trees of a round; false when it learned nothing and no other will. */
extern bool boost_grow_round(Boost *b, MlTree *tree);

/* ---- the learning rate where none is given (boost_rate.c) ---- */

#define BOOST_CATEGORIES 10000	/* of a feature that are kept by default */
#define BOOST_LEAST_ROWS 1000	/* that tell enough to choose by */
#define BOOST_FEW_ROWS 20000	/* that are not told from chance easily */
#define BOOST_DEFAULT_RATE 0.1	/* where no trial is made */

/* Is it to be found by trials?  Only where the rows tell enough, and nothing else decides when a training ends. */
extern bool boost_tries_rates(const Boost *b);

/* Find it, before the first round; the tree has room for one. */
extern double boost_try_rates(Boost *b, MlTree *tree);

/* ---- new values for the leaves of a model (boost_refit.c) ---- */

extern void boost_refit_model(MlContext *ctx, const MlDesign *design, const BoostParams *params, const MlEnsemble *from,
							  double learning_rate, double decay_rate, MlWriter *payload);

/* The gradients of the output. */
extern void boost_differentiate(Boost *b);

/* The classes' probabilities at the begin of a round. */
extern void boost_share(Boost *b);

/* ---- rows and their scores (boost_rows.c) ---- */

/* The weight of each class by the parameters, NULL = all one. */
extern double *boost_class_weights(MlContext *ctx, const MlDesign *design, const BoostParams *params);

/* The rows that count, with room for k scores each. */
extern void boost_take_rows(MlContext *ctx, const MlDesign *design, int k, BoostRows *rows);

/* The rows that count before each block of ML_BLOCK_ROWS. */
extern size_t *boost_kept_before(MlContext *ctx, const MlDesign *design);

/* Add what trees say to the scores of a design's rows. */
extern void boost_add_scores(MlContext *ctx, const MlDesign *design, const MlForest *forest, int k, BoostRows *rows);

/* ---- rows and columns of a tree (boost_sample.c) ---- */

/* What stands for subsample and colsample_bytree where they are not given: shares of few rows, else all. */
extern void boost_choose_samples(Boost *b);

/* Put the rows in order for subsample, before the first gradients. */
extern void boost_place_rows(Boost *b);

/*
 * Keys of all rows, ascending: the bits of places are the row, the others are of its content, its bins and, with
 * whole, target and weight.  They lie where the gradients will: valid until these are taken.
 */
extern const uint64_t *boost_order_rows(const Boost *b, uint64_t mix, bool whole, uint64_t *places);

/* Keep of all rows those that the next tree is grown on, with their gradients; returns how many, one at least. */
extern size_t boost_sample_rows(Boost *b);
extern void boost_sample_columns(Boost *b);

/* Does the training depend on chance, so that a round without a split is not the end? */
extern bool boost_by_chance(const Boost *b);

/* ---- trees left out for a round (boost_dart.c) ---- */

extern void boost_dart_drop(Boost *b);
extern void boost_dart_restore(Boost *b);

/* ---- values of leaves (boost_leaf.c) ---- */

/* Make the values of a tree quantiles of the residuals of its rows. */
extern void boost_renew(Boost *b, MlTree *tree);

#endif
