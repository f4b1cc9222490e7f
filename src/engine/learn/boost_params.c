/*
 * The parameters of gradient boosting: what there is, what contradicts each other, and the lists and maps among them.
 */
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "learn/boost_internal.h"

#define DEFAULT_LEAVES 31

/* Categories by default: a class tells less of a level than a number does. */
#define CLASSES_CATEGORY_ROWS 20	/* of a level in a leaf, at most */
#define NUMBERS_CATEGORY_ROWS 10
#define CLASSES_CATEGORY_L2 10
#define NUMBERS_CATEGORY_L2 0

static const char *const objectives[] = {
	"auto", "squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie", "log_loss", "ovr",
	"lambdarank", NULL
};
static const char *const boostings[] = {"gbdt", "dart", "goss", "rf", NULL};
static const char *const grow_policies[] = {"leafwise", "depthwise", NULL};

#define REAL(field, text_default, low, high, exclusive, text) \
	{.name = #field,.type = ML_PARAM_REAL,.offset = offsetof(BoostParams, field),.default_value = text_default, \
	.min = low,.max = high,.min_exclusive = exclusive,.help = text}
#define INTEGER(field, text_default, low, high, text) \
	{.name = #field,.type = ML_PARAM_INT,.offset = offsetof(BoostParams, field),.default_value = text_default, \
	.min = low,.max = high,.help = text}
#define CHOICE(field, names, text) \
	{.name = #field,.type = ML_PARAM_ENUM,.offset = offsetof(BoostParams, field),.choices = names,.help = text}
#define BOOLEAN(field, text) \
	{.name = #field,.type = ML_PARAM_BOOL,.offset = offsetof(BoostParams, field),.help = text}
#define JSON(field, text) \
	{.name = #field,.type = ML_PARAM_JSON,.offset = offsetof(BoostParams, field),.help = text}
#define COLUMN(field, what, text) \
	{.name = #field,.type = ML_PARAM_COLUMN,.offset = offsetof(BoostParams, field),.role = what,.help = text}

const MlParam boost_params[] = {
	CHOICE(objective, objectives,
		"The loss; auto is squared_error for numbers, log_loss for classes, lambdarank with a group; "
		"absolute_error and quantile give leaves that are quantiles."),
	CHOICE(boosting, boostings,
		"gbdt; dart leaves trees out while the next is grown; goss prefers rows of large gradients; rf is a "
		"mean of trees on samples, without learning_rate."),
	INTEGER(n_estimators, 100, 1, 10000, "Rounds of boosting: trees, or trees of each class or quantile."),
	REAL(learning_rate, NAN, 0, 1, true,
		"What a tree's values are multiplied by; by default trials on a part of 1,000 rows or more choose it for "
		"n_estimators (gbdt without early stopping or group, 0.2 at most), else 0.1."),
	INTEGER(early_stopping_rounds, 0, 0, 10000,
		"Stop after that many rounds without a better loss on the rows held out, and keep the best round; 0 "
		"is never."),
	INTEGER(max_leaf_nodes, DEFAULT_LEAVES, 2, 100000,
		"Most leaves of a tree; more than max_depth allows are an error, but for 31, which gives way."),
	INTEGER(max_depth, 0, 0, 1000, "Most splits from the root to a leaf; 0 is no limit."),
	CHOICE(grow_policy, grow_policies,
		"Which leaf is split next: leafwise is the one that gains most, depthwise goes level by level."),
	INTEGER(min_samples_leaf, 20, 1, 1000000000,
		"Fewest rows of a leaf, a weight counting as that many rows; an estimate from the hessian where that "
		"differs by row, as for classes."),
	REAL(min_child_weight, 0.001, 0, 1e100, false, "Least sum of hessians of a leaf."),
	REAL(min_split_gain, 0, 0, 1e100, false,
		"What a split must gain at least, in the loss of a Newton step, times two."),
	REAL(l1, 0, 0, 1e100, false, "L1 penalty on the values of leaves; of quantiles it counts for splits only."),
	REAL(l2, NAN, 0, 1e100, false,
		"L2 penalty on the values of leaves; of quantiles it counts for splits only; by default 1 for two "
		"classes, else 0."),
	REAL(max_delta_step, 0, 0, 1e100, false,
		"Largest size of a leaf's value before learning_rate; 0 is 2 for poisson, gamma and tweedie and no "
		"limit for the others."),
	REAL(path_smooth, 0, 0, 1e100, false, "Rows that a parent's value counts as in those of its children."),
	INTEGER(max_bins, 255, 2, ML_TREE_MAX_BINS, "Most bins that the values of a number are divided into."),
	REAL(subsample, NAN, 0, 1, true,
		"Share of the rows that each tree is grown on; by default 0.8 of 1,000 to 20,000 rows (gbdt and dart, not "
		"lambdarank), else 1."),
	REAL(colsample_bytree, NAN, 0, 1, true,
		"Share of the columns that each tree may split on; by default 0.8 of five and more where subsample is 0.8 by "
		"default, else 1."),
	REAL(colsample_bynode, 1, 0, 1, true, "Share of the tree's columns that each leaf may be split on."),
	BOOLEAN(extra_trees, "Try one threshold by chance a column and leaf instead of all."),
	REAL(top_rate, 0.2, 0, 1, true, "goss: share of the rows, of the largest gradients, that each tree is grown on."),
	REAL(other_rate, 0.1, 0, 1, true,
		"goss: share of the rows chosen by chance from the others, with weights that make up for it."),
	REAL(drop_rate, 0.1, 0, 1, false, "dart: chance of a round's trees to be left out while the next round is grown."),
	INTEGER(max_drop, 50, 0, 10000, "dart: most rounds left out at once; 0 is no limit."),
	REAL(skip_drop, 0.5, 0, 1, false, "dart: chance that a round leaves none out."),
	BOOLEAN(uniform_drop,
		"dart: all rounds have the same chance to be left out; else it goes by what they are multiplied by."),
	REAL(cat_smooth, 10, 0, 1e100, false,
		"Added to the hessian of a level when the levels of a category are put in order."),
	REAL(cat_l2, NAN, 0, 1e100, false,
		"L2 penalty added for splits by a set of levels; by default 0 where the target is a number, else 10."),
	INTEGER(max_cat_to_onehot, 4, 1, 10000, "Up to that many levels in a leaf are split one from the rest."),
	INTEGER(max_cat_threshold, 32, 1, 10000, "Most levels in the smaller set of a split."),
	REAL(min_samples_category, NAN, 0, 1000000000, false,
		"Fewest rows of a level, in a leaf, that sets are made from, counted as those of a leaf; levels of fewer "
		"rows count as one; by default min_samples_leaf, but 10 at most where the target is a number, else 20."),
	JSON(monotone_constraints,
		"Features that the score may only rise (1) or fall (-1) with, as {\"age\": 1, \"price\": -1}."),
	JSON(interaction_constraints,
		"Lists of features that may meet on a way from the root, as [[\"age\", \"price\"], [\"size\"]]; one "
		"in no list meets none."),
	JSON(class_weight,
		"\"balanced\" (rows over classes times the rows of the class), or weights by label, as {\"yes\": 5}; "
		"they multiply the rows' own."),
	JSON(quantiles,
		"What objective quantile estimates: a number between 0 and 1 or a list of them; NULL is [0.1, 0.5, "
		"0.9]."),
	REAL(huber_delta, 0, 0, 1e100, false,
		"huber: residual, in units of the target, from which on the loss grows no faster; 0 is the "
		"0.9-quantile of the distances from the median."),
	REAL(tweedie_variance_power, 1.5, 1, 1.999, true, "tweedie: the variance grows with the mean to this power."),
	INTEGER(ndcg_at, 10, 1, 10000, "lambdarank: places that the NDCG of early stopping looks at."),
	INTEGER(lambdarank_truncation_level, 30, 1, 10000,
		"lambdarank: pairs are compared that have a row among so many first places."),
	COLUMN(group, ML_ROLE_GROUP, "lambdarank: the column whose value the rows to be put in one order share."),
	COLUMN(init_score, ML_ROLE_START,
		"A column of scores that rows begin with, before the link; predictions leave them out."),
	INTEGER(seed, 0, 0, 1000000000, "Where the choice of rows, columns, thresholds and dropped trees begins."),
	{.name = NULL}
};

/* ---- objective ---- */

const char *
boost_objective_name(BoostObjectiveKind kind)
{
	return objectives[kind];
}

BoostObjectiveKind
boost_objective_kind(const BoostParams *params, MlTaskKind task)
{
	if (params->objective != BOOST_AUTO)
		return (BoostObjectiveKind) params->objective;
	if (task == ML_TASK_REGRESSION)
		return BOOST_SQUARED_ERROR;
	return task == ML_TASK_RANKING ? BOOST_LAMBDARANK : BOOST_LOG_LOSS;
}

unsigned
boost_tasks_of(const void *params)
{
	const BoostParams *p = params;

	switch ((BoostObjectiveKind) p->objective)
	{
		case BOOST_AUTO:
			return p->group != NULL ? ML_TASK_RANKING : ML_TASK_REGRESSION | ML_TASK_CLASSIFICATION;
		case BOOST_LOG_LOSS:
			return ML_TASK_CLASSIFICATION;
		case BOOST_OVR:
			return ML_TASK_MULTICLASS;
		case BOOST_LAMBDARANK:
			return ML_TASK_RANKING;
		case BOOST_SQUARED_ERROR:
		case BOOST_ABSOLUTE_ERROR:
		case BOOST_HUBER:
		case BOOST_QUANTILE:
		case BOOST_POISSON:
		case BOOST_GAMMA:
		case BOOST_TWEEDIE:
			break;
	}
	return ML_TASK_REGRESSION;
}

/* ---- lists and maps ---- */

/* A parameter's JSON; it was one when it was read. */
static json_object *
parse_value(MlContext *ctx, const char *json, const char *name)
{
	json_object *value;

	json_object_object_get_ex(ml_json_object(ctx, ml_format(ctx, "{\"value\": %s}", json), name), "value", &value);
	return value;
}

static void __attribute__((noreturn))
raise_wrong(MlContext *ctx, const char *name, json_object *value, const char *hint)
{
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "parameter \"%s\" cannot be %s", name, ml_json_text(ctx, value)), NULL, hint);
}

/* One quantile; raises for anything else. */
static double
parse_quantile(MlContext *ctx, json_object *value)
{
	double		level = json_object_get_double(value);

	if ((!json_object_is_type(value, json_type_double) && !json_object_is_type(value, json_type_int)) ||
		!(level > 0 && level < 1))
		raise_wrong(ctx, "quantiles", value, "It is a number between 0 and 1 or a list of them, as [0.05, 0.5, 0.95].");
	return level;
}

static int
by_value(const void *pa, const void *pb)
{
	double		a = *(const double *) pa;
	double		b = *(const double *) pb;

	return (a > b) - (a < b);
}

int
boost_quantiles(MlContext *ctx, const BoostParams *params, double *levels)
{
	json_object *value;
	int			n;

	if (params->quantiles == NULL)
	{
		memcpy(levels, (const double[]) {0.1, 0.5, 0.9}, 3 * sizeof(double));
		return 3;
	}
	value = parse_value(ctx, params->quantiles, "quantiles");
	if (!json_object_is_type(value, json_type_array))
	{
		levels[0] = parse_quantile(ctx, value);
		return 1;
	}
	if (json_object_array_length(value) < 1 || json_object_array_length(value) > BOOST_MAX_QUANTILES)
		raise_wrong(ctx, "quantiles", value, ml_format(ctx, "A list has from 1 to %d quantiles.", BOOST_MAX_QUANTILES));
	n = (int) json_object_array_length(value);
	for (int i = 0; i < n; i++)
		levels[i] = parse_quantile(ctx, json_object_array_get_idx(value, (size_t) i));
	qsort(levels, (size_t) n, sizeof(double), by_value);
	for (int i = 1; i < n; i++)
		if (levels[i] == levels[i - 1])
			raise_wrong(ctx, "quantiles", value, ml_format(ctx, "%g is there twice.", levels[i]));
	return n;
}

/* ---- constraints ---- */

/* Raises for a feature that the design does not have. */
static void
need_feature(MlContext *ctx, const MlDesign *design, const char *param, const char *name)
{
	const char **names = ml_alloc_array(ctx, (size_t) design->columns + 1, sizeof(char *));
	size_t		n = 0;

	for (int j = 0; j < design->columns && design->features != NULL; j++)
	{
		if (strcmp(design->features[j], name) == 0)
			return;
		if (n == 0 || strcmp(names[n - 1], design->features[j]) != 0)
			names[n++] = design->features[j];
	}
	ml_raise_full(ctx, ML_ERROR_UNDEFINED,
				  ml_format(ctx, "feature \"%s\" of parameter \"%s\" does not exist", name, param), NULL,
				  ml_candidates_hint(ctx, "feature", name, names, n));
}

/* Take the features of monotone_constraints; without a design only the form is checked. */
static void
read_monotone(MlContext *ctx, const char *json, const MlDesign *design, int8_t *out)
{
	static const char hint[] = "It is an object of features and 1 or -1, as {\"age\": 1, \"price\": -1}.";
	json_object *object = parse_value(ctx, json, "monotone_constraints");

	if (!json_object_is_type(object, json_type_object))
		raise_wrong(ctx, "monotone_constraints", object, hint);
	json_object_object_foreach(object, name, value)
	{
		double		way = json_object_get_double(value);

		if ((!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double)) ||
			!(way == -1 || way == 0 || way == 1))
			raise_wrong(ctx, "monotone_constraints", object, hint);
		if (design == NULL)
			continue;
		need_feature(ctx, design, "monotone_constraints", name);
		for (int j = 0; j < design->columns; j++)
			if (strcmp(design->features[j], name) == 0)
			{
				if (design->levels != NULL && design->levels[j] > 0)
					ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
								  ml_format(ctx, "feature \"%s\" of parameter \"monotone_constraints\" is a category",
											name),
								  "Its values have no order that a score could rise with.", NULL);
				out[j] = (int8_t) way;
			}
	}
}

/* Mark the columns of one list. */
static void
read_interaction(MlContext *ctx, json_object *list, json_object *all, const MlDesign *design, uint64_t *out)
{
	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0)
		raise_wrong(ctx, "interaction_constraints", all,
					"It is a list of lists of features, as [[\"age\", \"price\"], [\"size\"]].");
	for (size_t i = 0; i < json_object_array_length(list); i++)
	{
		json_object *element = json_object_array_get_idx(list, i);
		const char *name = json_object_get_string(element);

		if (!json_object_is_type(element, json_type_string))
			raise_wrong(ctx, "interaction_constraints", all,
						"It is a list of lists of features, as [[\"age\", \"price\"], [\"size\"]].");
		if (design == NULL)
			continue;
		need_feature(ctx, design, "interaction_constraints", name);
		for (int j = 0; j < design->columns; j++)
			if (strcmp(design->features[j], name) == 0)
				out[j / 64] |= UINT64_C(1) << j % 64;
	}
}

/* The same of interaction_constraints: a bit a column, words of them a list; returns the number of lists. */
static int
read_interactions(MlContext *ctx, const char *json, const MlDesign *design, size_t words, uint64_t *out)
{
	json_object *all = parse_value(ctx, json, "interaction_constraints");

	if (!json_object_is_type(all, json_type_array) || json_object_array_length(all) == 0)
		raise_wrong(ctx, "interaction_constraints", all,
					"It is a list of lists of features, as [[\"age\", \"price\"], [\"size\"]].");
	for (size_t i = 0; i < json_object_array_length(all); i++)
		read_interaction(ctx, json_object_array_get_idx(all, i), all, design, out != NULL ? out + i * words : NULL);
	return (int) json_object_array_length(all);
}

/* ---- contradictions ---- */

static void __attribute__((noreturn))
raise_contradiction(MlContext *ctx, const char *message, const char *detail, const char *hint)
{
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER, message, detail, hint);
}

/* What boosting asks of the other parameters. */
static void
check_mode(MlContext *ctx, const BoostParams *p)
{
	bool		sampled = p->subsample < 1 || p->colsample_bytree < 1 || p->colsample_bynode < 1 || p->extra_trees;

	if (p->early_stopping_rounds > 0 && (p->boosting == BOOST_DART || p->boosting == BOOST_RF))
		raise_contradiction(ctx, ml_format(ctx, "boosting \"%s\" cannot stop early", boostings[p->boosting]),
							p->boosting == BOOST_DART ? "Later rounds change what the trees of earlier ones count." :
							"One tree more makes the mean of trees no worse.", "Set early_stopping_rounds to 0.");
	if (p->boosting == BOOST_RF && !sampled)
		raise_contradiction(ctx, "boosting \"rf\" needs a sample of rows or columns",
							"Without one all its trees are the same.",
							"Set subsample, colsample_bytree or colsample_bynode below 1.");
	if (p->boosting != BOOST_GOSS)
		return;
	if (p->subsample < 1)
		raise_contradiction(ctx, "parameter \"subsample\" is not for boosting \"goss\"",
							"It chooses rows by top_rate and other_rate.",
							"Leave subsample out, or set boosting to gbdt.");
	if (p->top_rate + p->other_rate > 1)
		raise_contradiction(ctx, "parameters \"top_rate\" and \"other_rate\" are more than 1 together",
							"They are shares of the same rows.", "Set one of them lower.");
	if (p->objective == BOOST_ABSOLUTE_ERROR || p->objective == BOOST_QUANTILE)
		raise_contradiction(ctx, ml_format(ctx, "boosting \"goss\" cannot choose rows for objective \"%s\"",
										   objectives[p->objective]),
							"Gradients of all rows are of one size.", "Use subsample.");
}

/* What the objective asks of the other parameters. */
static void
check_objective(MlContext *ctx, const BoostParams *p)
{
	double		levels[BOOST_MAX_QUANTILES];
	bool		by_quantile = p->objective == BOOST_ABSOLUTE_ERROR || p->objective == BOOST_QUANTILE;

	if (p->quantiles != NULL && p->objective != BOOST_QUANTILE)
		raise_contradiction(ctx, "parameter \"quantiles\" is for objective \"quantile\"",
							"Other objectives estimate no quantile that could be chosen.",
							"Set objective to quantile.");
	if (p->objective == BOOST_QUANTILE && boost_quantiles(ctx, p, levels) > 1 && p->init_score != NULL)
		raise_contradiction(ctx, "parameter \"init_score\" gives one score a row, not one a quantile",
							"Each quantile has scores of its own.", "Ask for one quantile.");
	if (p->group != NULL && p->objective != BOOST_LAMBDARANK && p->objective != BOOST_AUTO)
		raise_contradiction(ctx, "parameter \"group\" is for objective \"lambdarank\"",
							"Other losses are those of single rows.",
							"Set objective to lambdarank, or leave group out.");
	if (p->group == NULL && p->objective == BOOST_LAMBDARANK)
		raise_contradiction(ctx, "objective \"lambdarank\" needs the parameter \"group\"",
							"It puts the rows of each group in order.",
							"Name the column whose value the rows of a group share.");
	if (p->class_weight != NULL && !(boost_tasks_of(p) & ML_TASK_CLASSIFICATION))
		raise_contradiction(ctx, "parameter \"class_weight\" is for classes",
							ml_format(ctx, "Objective \"%s\" has none.", objectives[p->objective]),
							"Use a column of weights.");
	if (by_quantile && (p->monotone_constraints != NULL || p->path_smooth > 0))
		raise_contradiction(ctx, ml_format(ctx, "parameter \"%s\" cannot be kept by objective \"%s\"",
										   p->monotone_constraints != NULL ? "monotone_constraints" : "path_smooth",
										   objectives[p->objective]),
							"Its leaves are quantiles of the rows in them.",
							"Leave it out, or choose another objective.");
}

void
boost_check_params(MlContext *ctx, const void *params)
{
	const BoostParams *p = params;

	/* the default leaves what it does not reach; a number of one's own is meant */
	if (p->max_depth > 0 && p->max_depth < 60 && p->max_leaf_nodes != DEFAULT_LEAVES &&
		p->max_leaf_nodes > INT64_C(1) << p->max_depth)
		raise_contradiction(ctx, "parameters \"max_depth\" and \"max_leaf_nodes\" contradict each other",
							ml_format(ctx, "A tree of depth %lld has at most %lld leaves.", (long long) p->max_depth,
									  1LL << p->max_depth),
							ml_format(ctx, "Set max_leaf_nodes to %lld at most, or max_depth to 0, which is no limit.",
									  1LL << p->max_depth));
	check_mode(ctx, p);
	check_objective(ctx, p);
	if (p->monotone_constraints != NULL)
		read_monotone(ctx, p->monotone_constraints, NULL, NULL);
	if (p->interaction_constraints != NULL)
		read_interactions(ctx, p->interaction_constraints, NULL, 0, NULL);
}

/* ---- limits of trees ---- */

void
boost_limits(MlContext *ctx, const BoostParams *p, const MlDesign *design, MlTreeLimits *limits)
{
	size_t		words = ((size_t) design->columns + 63) / 64;
	bool		number = design->task == ML_TASK_REGRESSION;

	*limits = (MlTreeLimits) {
		.max_leaf_nodes = (int) p->max_leaf_nodes,.max_depth = (int) p->max_depth,
		.min_samples_leaf = (double) p->min_samples_leaf,.min_child_weight = p->min_child_weight,
		.min_split_gain = p->min_split_gain,.l1 = p->l1,.l2 = p->l2,.cat_smooth = p->cat_smooth,
		.cat_l2 = !isnan(p->cat_l2) ? p->cat_l2 : number ? NUMBERS_CATEGORY_L2 : CLASSES_CATEGORY_L2,
		.max_cat_to_onehot = (int) p->max_cat_to_onehot,.max_cat_threshold = (int) p->max_cat_threshold,
		.min_samples_category = !isnan(p->min_samples_category) ? p->min_samples_category :
			fmin((double) p->min_samples_leaf, number ? NUMBERS_CATEGORY_ROWS : CLASSES_CATEGORY_ROWS),
		.depthwise = p->grow_policy == 1,.extra_random = p->extra_trees,.colsample_bynode = p->colsample_bynode,
		.max_delta_step = p->max_delta_step,.path_smooth = p->path_smooth,
	};
	if (p->monotone_constraints != NULL)
	{
		int8_t	   *ways = ml_alloc_zero(ctx, (size_t) design->columns + 1);

		read_monotone(ctx, p->monotone_constraints, design, ways);
		limits->monotone = ways;
	}
	if (p->interaction_constraints != NULL)
	{
		int			sets = read_interactions(ctx, p->interaction_constraints, NULL, 0, NULL);
		uint64_t   *bits = ml_alloc_array_zero(ctx, (size_t) sets * words + 1, sizeof(uint64_t));

		limits->interaction_sets = read_interactions(ctx, p->interaction_constraints, design, words, bits);
		limits->interactions = bits;
	}
}
