/*
 * Models that are made of models: reading, connecting, scoring, describing.
 */
#include "model/composite.h"

#include <math.h>
#include <string.h>

#include "base/document_internal.h"

const char *const ml_composite_sections[] = {NULL, "signature", "preparation", "parameters", "summary", "payload"};

_Static_assert(sizeof ml_composite_sections / sizeof ml_composite_sections[0] == ML_SECTION_LAST + 1,
			   "every section has a name");

/* ---- connecting ---- */

typedef struct Connection
{
	MlContext  *ctx;
	MlComposite *composite;
	const MlModel *whole;
	MlErrorCode code;
	bool	   *used;			/* [features of the whole] */
	bool	   *consumed;		/* [members] */
} Connection;

/* Raise for members that do not fit together; bytes from outside are just wrong then. */
static void __attribute__((noreturn))
refuse(const Connection *c, const char *message, const char *detail)
{
	if (c->code == ML_ERROR_CORRUPTED)
		ml_raise(c->ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", message);
	ml_raise_full(c->ctx, c->code, message, detail, NULL);
}

static bool
is_real(const MlFeature *feature)
{
	return strcmp(feature->type, "real") == 0 || strcmp(feature->type, "real[]") == 0;
}

/* The feature of that name, -1 = none. */
static int
find_feature(const MlSignature *s, const char *name)
{
	for (int f = 0; f < s->nfeatures; f++)
		if (strcmp(s->features[f].name, name) == 0)
			return f;
	return -1;
}

/* A member's own levels for each string that the whole knows. */
static double *
translate(MlContext *ctx, const MlDictionary *strings, const MlModel *member, int feature)
{
	double	   *levels = ml_alloc_array(ctx, (size_t) strings->count + 1, sizeof(double));

	for (uint32_t i = 0; i < strings->count; i++)
		levels[i] = ml_prep_encode(member->prep, feature, strings->strings[i], strings->lengths[i]);
	return levels;
}

/* Is every string that a member knows known to the whole? */
static bool
knows_strings(const MlDictionary *strings, const MlDictionary *member)
{
	for (uint32_t i = 0; i < member->count; i++)
		if (ml_dictionary_find(strings, member->strings[i], member->lengths[i]) < 0)
			return false;
	return true;
}

/* A feature that comes from the row. */
static void
connect_row(Connection *c, MlMember *member, int f)
{
	const MlFeature *feature = &member->model->signature->features[f];
	int			at = find_feature(c->whole->signature, feature->name);
	const MlFeature *given = at < 0 ? NULL : &c->whole->signature->features[at];
	MlInput    *inputs = member->inputs + feature->slot;

	if (given == NULL || given->kind != feature->kind || given->width != feature->width ||
		strcmp(given->type, feature->type) != 0)
		refuse(c, ml_format(c->ctx, "feature \"%s\" of member \"%s\" is not one of the whole", feature->name,
							member->name), NULL);
	if (feature->kind == ML_KIND_TEXT && !ml_text_same(ml_prep_text(c->whole->prep, at),
													   ml_prep_text(member->model->prep, f)))
		refuse(c, ml_format(c->ctx, "the terms of feature \"%s\" of member \"%s\" are not those of the whole",
							feature->name, member->name), NULL);
	c->used[at] = true;
	for (int e = 0; e < feature->width; e++)
		inputs[e] = (MlInput) {.kind = ML_INPUT_RAW,.from = given->slot + e};
	if (feature->kind == ML_KIND_CATEGORY)
	{
		const MlDictionary *strings = ml_prep_feature_strings(c->whole->prep, at);

		if (!knows_strings(strings, ml_prep_feature_strings(member->model->prep, f)))
			refuse(c, ml_format(c->ctx, "a category of member \"%s\" is not one of the whole", member->name), NULL);
		inputs->kind = ML_INPUT_LEVEL;
		inputs->values = translate(c->ctx, strings, member->model, f);
		inputs->nvalues = (int) strings->count;
		inputs->other = ml_prep_feature_unseen(member->model->prep, f);
	}
}

/* The label of each class as a category of a later member. */
static double *
label_levels(Connection *c, const MlModel *producer, const MlModel *consumer, int f)
{
	const MlSignature *s = producer->signature;
	double	   *levels = ml_alloc_array(c->ctx, (size_t) s->nclasses + 1, sizeof(double));

	for (int k = 0; k < s->nclasses; k++)
		levels[k] = ml_prep_encode(consumer->prep, f, s->class_labels[k], strlen(s->class_labels[k]));
	return levels;
}

/* Is a class itself the number that a feature wants, not its probability? */
static bool
wants_class(const MlSignature *s, const MlFeature *feature)
{
	if (s->target_kind == ML_TARGET_TEXT)
		return false;
	return s->nclasses > 2 || strcmp(feature->type, "boolean") == 0;
}

/* A feature that an earlier member produces. */
static void
connect_result(Connection *c, MlMember *member, int f, int from)
{
	const MlModel *producer = c->composite->members[from].model;
	const MlSignature *s = producer->signature;
	const MlFeature *feature = &member->model->signature->features[f];
	MlInput    *input = member->inputs + feature->slot;

	c->consumed[from] = true;
	*input = (MlInput) {.kind = ML_INPUT_RESULT,.real = is_real(feature),.from = from};
	if (feature->kind == ML_KIND_NUMBER && s->nclasses == 0)
		return;
	if (feature->kind == ML_KIND_VECTOR && s->nclasses == feature->width)
	{
		for (int k = 0; k < s->nclasses; k++)
			input[k] = (MlInput) {.kind = ML_INPUT_RESULT,.real = is_real(feature),.from = from,.output = k};
		return;
	}
	if ((feature->kind == ML_KIND_NUMBER && wants_class(s, feature)) ||
		(feature->kind == ML_KIND_CATEGORY && s->nclasses > 0))
	{
		input->kind = ML_INPUT_CLASS;
		input->values = feature->kind == ML_KIND_NUMBER ? s->class_values : label_levels(c, producer, member->model, f);
		input->nvalues = s->nclasses;
		return;
	}
	if (feature->kind == ML_KIND_NUMBER && s->nclasses == 2)
	{
		input->output = 1;
		return;
	}
	refuse(c, ml_format(c->ctx, "the result of member \"%s\" cannot be feature \"%s\" of member \"%s\"",
						c->composite->members[from].name, feature->name, member->name),
		   ml_format(c->ctx, "The result is %s, the feature %s of type %s.",
					 s->nclasses == 0 ? "a number" : ml_format(c->ctx, "one of %d classes", s->nclasses),
					 feature->kind == ML_KIND_VECTOR ? ml_format(c->ctx, "an array of %d", feature->width) :
					 ml_format(c->ctx, "a %s", ml_kind_name(feature->kind)), feature->type));
}

/* The member before this one that produces a feature, -1 = none. */
static int
find_producer(const MlComposite *composite, int before, const char *feature)
{
	for (int m = 0; m < before; m++)
		if (composite->members[m].output[0] != '\0' && strcmp(composite->members[m].output, feature) == 0)
			return m;
	return -1;
}

/* The classes of a member among those of the whole. */
static void
connect_classes(Connection *c, MlMember *member)
{
	const MlSignature *s = member->model->signature;

	if (s->task != c->whole->signature->task && (ml_task_is_number(s->task) ||
												 ml_task_is_number(c->whole->signature->task)))
		refuse(c, ml_format(c->ctx, "the task of member \"%s\" is not that of the whole", member->name), NULL);
	member->class_of = ml_alloc_array(c->ctx, (size_t) s->nclasses + 1, sizeof(int));
	for (int k = 0; k < s->nclasses; k++)
	{
		member->class_of[k] = ml_model_find_class(c->whole, s->class_labels[k], strlen(s->class_labels[k]));
		if (member->class_of[k] < 0)
			refuse(c, ml_format(c->ctx, "a class of member \"%s\" is not one of the whole", member->name), NULL);
	}
}

/* The last member's result is the whole's: so must its classes be. */
static void
check_last(Connection *c, const MlMember *member)
{
	const MlSignature *s = member->model->signature;

	connect_classes(c, c->composite->members + c->composite->count - 1);
	if (s->task != c->whole->signature->task || s->nclasses != c->whole->signature->nclasses)
		refuse(c, "the last member's task is not that of the whole", NULL);
	for (int k = 0; k < s->nclasses; k++)
		if (member->class_of[k] != k)
			refuse(c, "the last member's classes are not those of the whole", NULL);
}

static void
connect_member(Connection *c, int m)
{
	MlMember   *member = &c->composite->members[m];
	const MlSignature *s = member->model->signature;

	member->inputs = ml_alloc_array_zero(c->ctx, (size_t) s->slots + 1, sizeof(MlInput));
	for (int f = 0; f < s->nfeatures; f++)
	{
		int			from = find_producer(c->composite, m, s->features[f].name);

		if (from >= 0)
			connect_result(c, member, f, from);
		else
			connect_row(c, member, f);
		ml_check(c->ctx);
	}
	if (!c->composite->last)
		connect_classes(c, member);
	member->out = c->composite->outputs;
	c->composite->outputs += (size_t) ml_model_outputs(member->model);
	if ((size_t) s->slots > c->composite->slots)
		c->composite->slots = (size_t) s->slots;
}

void
ml_composite_connect(MlContext *ctx, MlComposite *composite, const MlModel *whole, MlErrorCode code)
{
	const MlSignature *s = whole->signature;
	Connection	c = {.ctx = ctx,.composite = composite,.whole = whole,.code = code};

	c.used = ml_alloc_array_zero(ctx, (size_t) s->nfeatures + 1, sizeof(bool));
	c.consumed = ml_alloc_array_zero(ctx, (size_t) composite->count, sizeof(bool));
	for (int m = 0; m < composite->count; m++)
	{
		const char *output = composite->members[m].output;

		if (output[0] != '\0' && (find_producer(composite, m, output) >= 0 || find_feature(s, output) >= 0))
			refuse(&c, ml_format(ctx, "feature \"%s\" comes from more than one place", output),
				   ml_format(ctx, "Member \"%s\" produces it.", composite->members[m].name));
		connect_member(&c, m);
	}
	for (int m = 0; m < composite->count; m++)
		if (c.consumed[m] != (composite->members[m].output[0] != '\0'))
			refuse(&c, ml_format(ctx, "the result of member \"%s\" is no feature of a later member",
								 composite->members[m].name),
				   composite->members[m].output[0] == '\0' ? NULL :
				   ml_format(ctx, "It is named \"%s\".", composite->members[m].output));
	for (int f = 0; f < s->nfeatures; f++)
		if (!c.used[f])
			refuse(&c, ml_format(ctx, "feature \"%s\" is one of no member", s->features[f].name), NULL);
	if (composite->last)
		check_last(&c, &composite->members[composite->count - 1]);
}

/* ---- reading ---- */

static void __attribute__((noreturn))
corrupted(MlContext *ctx, const char *what)
{
	ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: %s", what);
}

/* One member from its stored object. */
static void
read_member(MlContext *ctx, const MlNode *object, int depth, MlMember *member)
{
	const MlNode *sections[ML_SECTION_LAST + 1] = {NULL};
	const char *name;
	const MlAlgorithm *algorithm = NULL;

	if (ml_node_type(object) != ML_NODE_OBJECT)
		corrupted(ctx, "a member is not an object");
	name = ml_need_string(ctx, object, "algorithm");
	for (size_t i = 0; ml_algorithm_table[i] != NULL; i++)
		if (strcmp(ml_algorithm_table[i]->name, name) == 0)
			algorithm = ml_algorithm_table[i];
	if (algorithm == NULL)
		corrupted(ctx, "a member is of an algorithm that this version does not know");
	for (int id = 1; id <= ML_SECTION_LAST; id++)
		sections[id] = ml_need(ctx, object, ml_composite_sections[id], ML_NODE_OBJECT);
	member->name = ml_need_string(ctx, object, "name");
	member->output = ml_need_string(ctx, object, "output");
	member->model = ml_model_open_sections(ctx, algorithm, sections, depth + 1);
	ml_check(ctx);
}

/* Weights: one a member, or none where the last member has the word. */
static void
read_weights(MlContext *ctx, const MlNode *payload, MlComposite *composite)
{
	const double *weights = ml_need_f64s(ctx, payload, "weights", composite->last ? 0 : composite->count);

	double		most = 0;
	int			exponent;

	if (composite->last)
		return;
	for (int m = 0; m < composite->count; m++)
	{
		if (!(weights[m] >= 0) || !isfinite(weights[m]))
			corrupted(ctx, "a weight is out of range");
		composite->members[m].weight = weights[m];
		most = fmax(most, weights[m]);
	}
	if (most == 0)
		corrupted(ctx, "the weights are out of range");
	frexp(most, &exponent);
	for (int m = 0; m < composite->count; m++)
	{
		composite->members[m].share = ldexp(weights[m], -exponent);
		composite->shares += composite->members[m].share;
	}
}

MlComposite *
ml_composite_read(MlContext *ctx, const MlModel *model, int depth)
{
	const MlNode *payload = model->sections[ML_SECTION_PAYLOAD];
	const MlNode *list = ml_need(ctx, payload, "members", ML_NODE_LIST);
	size_t		count = ml_node_count(list);
	MlComposite *composite = ml_alloc_zero(ctx, sizeof *composite);
	int			method = ML_ENSEMBLE_STACKING;

	if (depth >= ML_COMPOSITE_DEPTH)
		corrupted(ctx, "models are nested too deeply");
	if (count < 1 || count > ML_COMPOSITE_MEMBERS)
		corrupted(ctx, "the number of members is out of range");
	if (ml_node_size(payload) > ML_COMPOSITE_BYTES)
		corrupted(ctx, "its members are too large");
	if (model->algorithm == &ml_ensemble_model)
		method = ((const MlEnsembleParams *) model->params)->method;
	composite->count = (int) count;
	composite->members = ml_alloc_array_zero(ctx, count, sizeof(MlMember));
	composite->last = method == ML_ENSEMBLE_STACKING;
	composite->vote = method == ML_ENSEMBLE_VOTE;
	if (composite->vote && model->signature->nclasses == 0)
		corrupted(ctx, "a vote without classes");
	if (model->signature->task == ML_TASK_RANKING)
		corrupted(ctx, "a task that models of models do not have");
	for (size_t m = 0; m < count; m++)
		read_member(ctx, ml_node_at(list, m), depth, &composite->members[m]);
	read_weights(ctx, payload, composite);
	ml_composite_connect(ctx, composite, model, ML_ERROR_CORRUPTED);
	return composite;
}

/* ---- scoring ---- */

/* The scratch space: a member's row, all members' outputs, the members' own scratch space; shares of votes. */
size_t
ml_composite_scratch(const MlModel *model, size_t n)
{
	const MlComposite *c = model->composite;
	size_t		most = 0;

	for (int m = 0; m < c->count; m++)
	{
		size_t		size = ml_model_scratch(c->members[m].model, n);

		if (size > most)
			most = size;
	}
	return (c->slots + c->outputs) * n + most + 1;
}

/* What a looked-up level is; NULL stays NULL. */
static inline double
look_up(const MlInput *input, double level)
{
	if (level != level)
		return level;
	return level >= 0 && level < input->nvalues ? input->values[(int) level] : input->other;
}

/* One slot of a member's rows; outs has the outputs of the members before it. */
static void
fill_slot(const MlComposite *c, const MlInput *input, const double *raw, size_t ldraw, const double *outs, size_t n,
		  double *slot)
{
	const double *results;

	if (input->kind == ML_INPUT_RAW || input->kind == ML_INPUT_LEVEL)
	{
		const double *given = raw + (size_t) input->from * ldraw;

		for (size_t i = 0; i < n; i++)
			slot[i] = input->kind == ML_INPUT_RAW ? given[i] : look_up(input, given[i]);
		return;
	}
	results = outs + c->members[input->from].out * n;
	for (size_t i = 0; i < n; i++)
		slot[i] = input->kind == ML_INPUT_RESULT ? results[(size_t) input->output * n + i] :
			input->values[ml_model_class(c->members[input->from].model, results + i, n)];
	for (size_t i = 0; i < n && input->real; i++)
		slot[i] = (double) (float) slot[i];
}

/* The mean of the members' results, by weight; a class that a member does not know has probability zero there. */
static void
combine_means(const MlModel *model, const double *outs, size_t n, double *out, size_t ldout)
{
	const MlComposite *c = model->composite;
	size_t		outputs = (size_t) ml_model_outputs(model);

	for (size_t k = 0; k < outputs; k++)
		memset(out + k * ldout, 0, n * sizeof(double));
	for (int m = 0; m < c->count; m++)
	{
		const MlMember *member = &c->members[m];

		for (int k = 0; k < ml_model_outputs(member->model); k++)
		{
			double	   *sum = out + (size_t) (model->signature->nclasses > 0 ? member->class_of[k] : 0) * ldout;
			const double *result = outs + (member->out + (size_t) k) * n;

			for (size_t i = 0; i < n; i++)
				sum[i] += member->share * result[i];
		}
	}
	for (size_t k = 0; k < outputs; k++)
		for (size_t i = 0; i < n; i++)
			out[k * ldout + i] /= c->shares;
}

/* The first class with the most votes. */
static int
most_votes(const double *out, size_t ldout, int classes)
{
	int			best = 0;

	for (int k = 1; k < classes; k++)
		if (out[(size_t) k * ldout] > out[(size_t) best * ldout])
			best = k;
	return best;
}

/* A row's mean probability of a class. */
static double
mean_probability(const MlComposite *c, const double *outs, size_t n, size_t i, int klass)
{
	double		sum = 0;

	for (int m = 0; m < c->count; m++)
		for (int k = 0; k < c->members[m].model->signature->nclasses; k++)
			if (c->members[m].class_of[k] == klass)
				sum += c->members[m].share * outs[(c->members[m].out + (size_t) k) * n + i];
	return sum;
}

/*
 * Shares of the votes.  Of classes with equally many votes the one with the highest mean probability wins,
 * by the least that a double can have more than the others.
 */
static void
combine_votes(const MlModel *model, const double *outs, size_t n, double *out, size_t ldout)
{
	const MlComposite *c = model->composite;
	int			classes = model->signature->nclasses;

	for (int k = 0; k < classes; k++)
		memset(out + (size_t) k * ldout, 0, n * sizeof(double));
	for (int m = 0; m < c->count; m++)
		for (size_t i = 0; i < n; i++)
			out[(size_t) c->members[m].class_of[ml_model_class(c->members[m].model, outs + c->members[m].out * n + i,
															   n)] * ldout + i] +=
				c->members[m].share;
	for (size_t i = 0; i < n; i++)
	{
		int			first;
		int			winner;
		double		most;
		double		probability;

		for (int k = 0; k < classes; k++)
			out[(size_t) k * ldout + i] /= c->shares;
		first = winner = most_votes(out + i, ldout, classes);
		most = out[(size_t) winner * ldout + i];
		probability = mean_probability(c, outs, n, i, winner);
		for (int k = winner + 1; k < classes; k++)
			if (out[(size_t) k * ldout + i] == most)
			{
				double		other = mean_probability(c, outs, n, i, k);

				if (other > probability)
				{
					probability = other;
					winner = k;
				}
			}
		if (winner != first)
			out[(size_t) winner * ldout + i] = nextafter(most, 2);
	}
}

void
ml_composite_score(const MlModel *model, const double *raw, size_t ldraw, size_t n, double *out, size_t ldout,
				   double *scratch)
{
	const MlComposite *c = model->composite;
	double	   *row = scratch;
	double	   *outs = row + c->slots * n;
	double	   *below = outs + c->outputs * n;

	for (int m = 0; m < c->count; m++)
	{
		const MlMember *member = &c->members[m];

		for (int s = 0; s < member->model->signature->slots; s++)
			fill_slot(c, &member->inputs[s], raw, ldraw, outs, n, row + (size_t) s * n);
		ml_model_score(member->model, row, n, n, outs + member->out * n, n, below);
	}
	if (c->last)
	{
		const double *result = outs + c->members[c->count - 1].out * n;

		for (int k = 0; k < ml_model_outputs(model); k++)
			memcpy(out + (size_t) k * ldout, result + (size_t) k * n, n * sizeof(double));
	}
	else if (c->vote)
		combine_votes(model, outs, n, out, ldout);
	else
		combine_means(model, outs, n, out, ldout);
}

/* ---- describing ---- */

void
ml_composite_describe(MlWriter *w, const MlModel *model)
{
	const MlComposite *c = model->composite;

	ml_write_list(w, "members");
	for (int m = 0; m < c->count; m++)
	{
		const MlMember *member = &c->members[m];

		ml_write_object(w, NULL);
		ml_write_string(w, "name", member->name);
		ml_write_string(w, "algorithm", member->model->algorithm->name);
		ml_write_string(w, "task", ml_task_name(member->model->signature->task));
		if (member->output[0] != '\0')
			ml_write_string(w, "output", member->output);
		if (!c->last)
			ml_write_double(w, "weight", member->weight);
		ml_write_node(w, "parameters", member->model->sections[ML_SECTION_PARAMETERS]);
		if (member->model->composite != NULL)
			ml_composite_describe(w, member->model);
		ml_write_end(w);
	}
	ml_write_end(w);
}
