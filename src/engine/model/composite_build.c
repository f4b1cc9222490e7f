/*
 * Making a model of models: what the members' features come to, and the bytes.
 */
#include "model/composite.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/document_internal.h"

/* ---- features ---- */

typedef struct Union
{
	MlContext  *ctx;
	const MlCompositeSpec *spec;
	MlSignature *signature;
	const char **owner;			/* [features] the member that brought it */
	MlDictionary **strings;		/* [features] of categories */
	const MlTextFit **texts;		/* [features] of texts */
	bool	   *refuses_null;	/* [features] because a member does */
} Union;

/* Does a member before this one produce the feature? */
static bool
is_produced(const MlCompositeSpec *spec, int before, const char *feature)
{
	for (int m = 0; m < before; m++)
		if (spec->members[m].output[0] != '\0' && strcmp(spec->members[m].output, feature) == 0)
			return true;
	return false;
}

static void
add_strings(Union *u, int at, const MlDictionary *strings)
{
	for (uint32_t i = 0; i < strings->count; i++)
		ml_dictionary_add(u->ctx, u->strings[at], strings->strings[i], strings->lengths[i], UINT32_MAX);
}

/* What a feature is, for an error. */
static const char *
feature_phrase(MlContext *ctx, const MlFeature *feature)
{
	return feature->kind == ML_KIND_VECTOR ? ml_format(ctx, "%s of %d elements", feature->type, feature->width) :
		feature->type;
}

/* Take in a feature of a member. */
static void
add_feature(Union *u, const MlMemberSpec *member, int f)
{
	const MlFeature *feature = &member->model->signature->features[f];
	MlSignature *s = u->signature;
	int			at = 0;

	while (at < s->nfeatures && strcmp(s->features[at].name, feature->name) != 0)
		at++;
	if (at < s->nfeatures && feature->kind == ML_KIND_TEXT && s->features[at].kind == ML_KIND_TEXT &&
		!ml_text_same(u->texts[at], ml_prep_text(member->model->prep, f)))
		ml_raise_full(u->ctx, ML_ERROR_WRONG_TYPE, ml_format(u->ctx, "members do not agree on feature \"%s\"",
															 feature->name),
					  ml_format(u->ctx, "\"%s\" and \"%s\" make other terms of its texts.", u->owner[at], member->name),
					  "Train them on the same rows with the same \"text\" in preprocess.");
	if (at < s->nfeatures && (s->features[at].kind != feature->kind || s->features[at].width != feature->width ||
							  strcmp(s->features[at].type, feature->type) != 0))
		ml_raise_full(u->ctx, ML_ERROR_WRONG_TYPE, ml_format(u->ctx, "members do not agree on feature \"%s\"",
															 feature->name),
					  ml_format(u->ctx, "In \"%s\" it is of type %s, in \"%s\" of type %s.", u->owner[at],
								feature_phrase(u->ctx, &s->features[at]), member->name,
								feature_phrase(u->ctx, feature)),
					  "Train them on columns of the same types.");
	if (at == s->nfeatures)
	{
		s->features[at] = *feature;
		s->features[at].slot = s->slots;
		s->slots += feature->width;
		s->nfeatures++;
		u->owner[at] = member->name;
		u->strings[at] = feature->kind == ML_KIND_CATEGORY ? ml_dictionary_create(u->ctx) : NULL;
		u->texts[at] = ml_prep_text(member->model->prep, f);
	}
	if (member->model->algorithm->transforms)
		ml_raise_full(u->ctx, ML_ERROR_UNSUPPORTED, ml_format(u->ctx, "model \"%s\" cannot be a member", member->name),
					  "It transforms and predicts nothing.", NULL);
	if (ml_prep_is_hashed(member->model->prep, f))
		ml_raise_full(u->ctx, ML_ERROR_UNSUPPORTED, ml_format(u->ctx, "model \"%s\" cannot be a member", member->name),
					  ml_format(u->ctx, "It hashes \"%s\", whose strings the whole would have to know.", feature->name),
					  NULL);
	u->refuses_null[at] |= ml_prep_refuses_null(member->model->prep, f);
	if (feature->kind == ML_KIND_CATEGORY)
		add_strings(u, at, ml_prep_feature_strings(member->model->prep, f));
}

/* The features of all members. */
static void
add_features(Union *u)
{
	const MlCompositeSpec *spec = u->spec;
	size_t		most = 1;

	for (int m = 0; m < spec->count; m++)
		most += (size_t) spec->members[m].model->signature->nfeatures;
	u->signature->features = ml_alloc_array_zero(u->ctx, most, sizeof(MlFeature));
	u->owner = ml_alloc_array_zero(u->ctx, most, sizeof(char *));
	u->strings = ml_alloc_array_zero(u->ctx, most, sizeof(MlDictionary *));
	u->texts = ml_alloc_array_zero(u->ctx, most, sizeof(MlTextFit *));
	u->refuses_null = ml_alloc_array_zero(u->ctx, most, sizeof(bool));
	for (int m = 0; m < spec->count; m++)
	{
		const MlSignature *s = spec->members[m].model->signature;

		for (int f = 0; f < s->nfeatures; f++)
			if (!is_produced(spec, m, s->features[f].name))
				add_feature(u, &spec->members[m], f);
		ml_check(u->ctx);
	}
	if (u->signature->nfeatures > INT16_MAX)
		ml_raise(u->ctx, ML_ERROR_MEMORY, "the members have %d features together, more than %d",
				 u->signature->nfeatures, INT16_MAX);
}

/* ---- targets ---- */

typedef struct Class
{
	const char *label;
	double		value;
	bool		number;
} Class;

/* Numbers by value, text by bytes. */
static int
compare_classes(const void *pa, const void *pb)
{
	const Class *a = pa;
	const Class *b = pb;

	if (a->number)
		return (a->value > b->value) - (a->value < b->value);
	return strcmp(a->label, b->label);
}

/* Two classes in the order that all members have them in: one of them may have been said to be the positive one. */
static void
order_as_members(Union *u)
{
	const MlSignature *first = u->spec->members[0].model->signature;

	for (int m = 1; m < u->spec->count; m++)
	{
		const MlSignature *of = u->spec->members[m].model->signature;

		if (strcmp(of->class_labels[1], first->class_labels[1]) != 0)
			ml_raise_full(u->ctx, ML_ERROR_INVALID_PARAMETER, "members have different positive classes",
						  ml_format(u->ctx, "That of \"%s\" is \"%s\", that of \"%s\" \"%s\".",
									u->spec->members[0].name,
									first->class_labels[1], u->spec->members[m].name, of->class_labels[1]),
						  "Train them with the same \"positive\" in validation.");
	}
	u->signature->class_labels = first->class_labels;
	u->signature->class_values = first->class_values;
}

/* The classes of all members, each once, in order. */
static void
unite_classes(Union *u)
{
	const MlCompositeSpec *spec = u->spec;
	MlSignature *s = u->signature;
	size_t		most = 0;
	size_t		n = 0;
	Class	   *classes;

	for (int m = 0; m < spec->count; m++)
		most += (size_t) spec->members[m].model->signature->nclasses;
	classes = ml_alloc_array(u->ctx, most + 1, sizeof(Class));
	for (int m = 0; m < spec->count; m++)
	{
		const MlSignature *of = spec->members[m].model->signature;

		for (int k = 0; k < of->nclasses; k++)
			classes[n++] = (Class) {of->class_labels[k], of->class_values[k], of->target_kind != ML_TARGET_TEXT};
	}
	qsort(classes, n, sizeof(Class), compare_classes);
	s->class_labels = ml_alloc_array(u->ctx, most + 1, sizeof(char *));
	s->class_values = ml_alloc_array(u->ctx, most + 1, sizeof(double));
	for (size_t i = 0; i < n; i++)
	{
		if (i > 0 && compare_classes(&classes[i - 1], &classes[i]) == 0)
			continue;
		s->class_labels[s->nclasses] = classes[i].label;
		s->class_values[s->nclasses] = classes[i].number ? classes[i].value : s->nclasses;
		s->nclasses++;
	}
	s->task = s->nclasses == 0 ? s->task : s->nclasses == 2 ? ML_TASK_BINARY : ML_TASK_MULTICLASS;
	if (s->nclasses == 2)
		order_as_members(u);
}

/* Members whose results become one predict the same target. */
static void
check_targets(Union *u)
{
	const MlMemberSpec *first = &u->spec->members[0];
	const MlSignature *a = first->model->signature;

	for (int m = 1; m < u->spec->count; m++)
	{
		const MlMemberSpec *member = &u->spec->members[m];
		const MlSignature *b = member->model->signature;

		if (strcmp(a->target, b->target) == 0 && a->target_kind == b->target_kind &&
			(a->nclasses > 0) == (b->nclasses > 0) && (a->nclasses > 0 || a->task == b->task))
			continue;
		ml_raise_full(u->ctx, ML_ERROR_WRONG_TYPE, "members do not predict the same target",
					  ml_format(u->ctx, "\"%s\" is for %s of \"%s\", \"%s\" for %s of \"%s\".", first->name,
								ml_task_name(a->task),
								a->target, member->name, ml_task_name(b->task), b->target), NULL);
	}
	if (u->spec->method == ML_ENSEMBLE_VOTE && a->nclasses == 0)
		ml_raise_full(u->ctx, ML_ERROR_UNSUPPORTED, "members that predict a number have no votes", NULL,
					  "Use the method \"mean\" or \"weighted\".");
}

/* Is the last member's result the whole's? */
static bool
last_decides(const MlCompositeSpec *spec)
{
	return spec->algorithm == &ml_pipeline_model || spec->method == ML_ENSEMBLE_STACKING;
}

MlSignature *
ml_composite_signature(MlContext *ctx, const MlCompositeSpec *spec, MlPrep **prep)
{
	Union		u = {.ctx = ctx,.spec = spec,.signature = ml_alloc_zero(ctx, sizeof(MlSignature))};
	const MlSignature *decides = spec->members[last_decides(spec) ? spec->count - 1 : 0].model->signature;

	u.signature->target = decides->target;
	u.signature->target_kind = decides->target_kind;
	u.signature->task = decides->task;
	if (decides->task == ML_TASK_RANKING)
		ml_raise(ctx, ML_ERROR_UNSUPPORTED, "a model that ranks cannot give the result of a model of models");
	if (last_decides(spec))
	{
		u.signature->nclasses = decides->nclasses;
		u.signature->class_labels = decides->class_labels;
		u.signature->class_values = decides->class_values;
	}
	else
	{
		check_targets(&u);
		unite_classes(&u);
	}
	add_features(&u);
	*prep = ml_prep_plain(ctx, u.signature->features, u.signature->nfeatures, u.strings, u.texts);
	for (int f = 0; f < u.signature->nfeatures; f++)
		if (u.refuses_null[f])
			ml_prep_refuse_null(ctx, *prep, f);
	return u.signature;
}

/* ---- bytes ---- */

/* Number and size of the members, and their weights. */
static void
check_members(MlContext *ctx, const MlCompositeSpec *spec)
{
	double		sum = 0;
	size_t		bytes = 0;

	if (spec->count < 1)
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "there must be at least one model");
	if (spec->count > ML_COMPOSITE_MEMBERS)
		ml_raise(ctx, ML_ERROR_MEMORY, "a model of models has at most %d members, not %d", ML_COMPOSITE_MEMBERS,
				 spec->count);
	for (int m = 0; m < spec->count; m++)
	{
		double		weight = spec->members[m].weight;

		if (!last_decides(spec) && !(weight >= 0 && isfinite(weight)))
			ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
						  ml_format(ctx, "weight %g of member \"%s\" is no weight", weight, spec->members[m].name),
						  "Weights must be zero or positive and finite.", NULL);
		sum += weight;
		bytes += spec->members[m].model->size;
	}
	if (!last_decides(spec) && !(sum > 0 && isfinite(sum)))
		ml_raise(ctx, ML_ERROR_INVALID_PARAMETER, "the weights add up to %g", sum);
	if (bytes > ML_COMPOSITE_BYTES - (1 << 20))
		ml_raise_full(ctx, ML_ERROR_MEMORY, "the members are too large for one model",
					  ml_format(ctx, "They have %zu bytes together, and %zu are the most.", bytes,
								ML_COMPOSITE_BYTES - (1 << 20)), NULL);
}

/* How deeply models are nested in a model. */
static int
depth_of(const MlModel *model)
{
	int			most = 0;

	if (model->composite == NULL)
		return 0;
	for (int m = 0; m < model->composite->count; m++)
	{
		int			depth = depth_of(model->composite->members[m].model);

		if (depth > most)
			most = depth;
	}
	return most + 1;
}

/* Connect the members as the bytes will have them, so that what does not fit is told by name. */
static void
check_connections(MlContext *ctx, const MlCompositeSpec *spec, const MlSignature *signature, const MlPrep *prep)
{
	MlModel		whole = {.algorithm = spec->algorithm,.signature = signature,.prep = prep};
	MlComposite composite = {.count = spec->count,.last = last_decides(spec)};

	composite.members = ml_alloc_array_zero(ctx, (size_t) spec->count, sizeof(MlMember));
	for (int m = 0; m < spec->count; m++)
	{
		composite.members[m] = (MlMember) {.model = spec->members[m].model,.name = spec->members[m].name,
			.output = spec->members[m].output,.weight = spec->members[m].weight};
		if (depth_of(spec->members[m].model) + 1 > ML_COMPOSITE_DEPTH)
			ml_raise(ctx, ML_ERROR_MEMORY, "models are nested more than %d deep", ML_COMPOSITE_DEPTH);
	}
	ml_composite_connect(ctx, &composite, &whole, ML_ERROR_WRONG_TYPE);
}

static MlSectionBytes
payload_section(MlContext *ctx, const MlCompositeSpec *spec)
{
	double	   *weights = ml_alloc_array(ctx, (size_t) spec->count, sizeof(double));
	MlWriter   *w = ml_writer_create(ctx);

	ml_write_list(w, "members");
	for (int m = 0; m < spec->count; m++)
	{
		const MlMemberSpec *member = &spec->members[m];

		weights[m] = member->weight;
		ml_write_object(w, NULL);
		ml_write_string(w, "name", member->name);
		ml_write_string(w, "algorithm", member->model->algorithm->name);
		ml_write_string(w, "output", member->output);
		for (int id = 1; id <= ML_SECTION_LAST; id++)
			ml_write_node(w, ml_composite_sections[id], member->model->sections[id]);
		ml_write_end(w);
	}
	ml_write_end(w);
	ml_write_f64s(w, "weights", weights, last_decides(spec) ? 0 : (size_t) spec->count);
	return ml_section_finish(w);
}

/* The members a summary under the keys of every training's, so that readers of it find them. */
static MlSectionBytes
summary_section(MlContext *ctx, const MlCompositeSpec *spec)
{
	const MlCompositeSummary *summary = &spec->summary;
	MlWriter   *w = ml_writer_create(ctx);

	ml_write_int(w, "n_train", (int64_t) summary->n_train);
	ml_write_int(w, "n_test", (int64_t) summary->n_test);
	ml_write_int(w, "n_skipped", 0);
	ml_write_string(w, "metrics_on", summary->nmetrics == 0 ? "no rows" : summary->n_test > 0 ? "held-out rows" :
					"training rows");
	ml_write_object(w, "metrics");
	for (int i = 0; i < summary->nmetrics; i++)
		ml_write_double(w, summary->metrics[i].name, summary->metrics[i].value);
	ml_write_end(w);
	ml_write_string(w, "row_digest", summary->row_digest);
	/* which class the last member predicts is which the whole does */
	if (last_decides(spec) && spec->members[spec->count - 1].model->decision != NULL)
		ml_decision_write(w, spec->members[spec->count - 1].model->decision);
	ml_write_list(w, "member_checksums");
	for (int m = 0; m < spec->count; m++)
		ml_write_string(w, NULL, ml_format(ctx, "%016" PRIx64, spec->members[m].model->bytes == NULL ? 0 :
										   ml_container_checksum(spec->members[m].model->bytes)));
	ml_write_end(w);
	return ml_section_finish(w);
}

void *
ml_composite_build(MlContext *ctx, const MlCompositeSpec *spec, size_t *size)
{
	MlSectionBytes sections[ML_SECTION_LAST + 1] = {0};
	MlEnsembleParams params = {.method = (int) spec->method};
	MlSignature *signature;
	MlPrep	   *prep;
	MlWriter   *w = ml_writer_create(ctx);
	void	   *bytes;

	check_members(ctx, spec);
	signature = ml_composite_signature(ctx, spec, &prep);
	check_connections(ctx, spec, signature, prep);
	ml_signature_write(w, signature);
	sections[ML_SECTION_SIGNATURE] = ml_section_finish(w);
	w = ml_writer_create(ctx);
	ml_prep_write(ctx, w, prep);
	sections[ML_SECTION_PREPARATION] = ml_section_finish(w);
	w = ml_writer_create(ctx);
	ml_params_write(w, spec->algorithm, &params);
	sections[ML_SECTION_PARAMETERS] = ml_section_finish(w);
	sections[ML_SECTION_SUMMARY] = summary_section(ctx, spec);
	sections[ML_SECTION_PAYLOAD] = payload_section(ctx, spec);
	bytes = ml_container_build(ctx, spec->algorithm->id, sections, size);
	/* what could not be opened later must not be stored now */
	ml_model_open(ctx, bytes, *size);
	return bytes;
}
