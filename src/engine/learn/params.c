/*
 * Hyperparameters: JSON -> the learner's struct by its table, and the stored form.
 */
#include <float.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "learn/learner.h"

static size_t
param_count(const MlAlgorithm *algorithm)
{
	size_t		n = 0;

	while (algorithm->params[n].name != NULL)
		n++;
	return n;
}

static const MlParam *
find_param(const MlAlgorithm *algorithm, const char *name)
{
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static void
raise_unknown_param(MlContext *ctx, const MlAlgorithm *algorithm, const char *name)
{
	size_t		n = param_count(algorithm);
	const char **names = ml_alloc_array(ctx, n + 1, sizeof(char *));

	for (size_t i = 0; i < n; i++)
		names[i] = algorithm->params[i].name;
	ml_raise_full(ctx, ML_ERROR_UNDEFINED,
				  ml_format(ctx, "algorithm \"%s\" has no parameter \"%s\"", algorithm->name, name), NULL,
				  ml_candidates_hint(ctx, "parameter", name, names, n));
}

/* Is the parameter a text rather than a number? */
static bool
is_text(const MlParam *p)
{
	return p->type == ML_PARAM_JSON || p->type == ML_PARAM_COLUMN;
}

static const char *
get_text(const void *params, const MlParam *p)
{
	return *(const char *const *) ((const char *) params + p->offset);
}

static void
set_text(void *params, const MlParam *p, const char *text)
{
	*(const char **) ((char *) params + p->offset) = text;
}

/* Store a number into the field, as its type wants it. */
static void
set_param(void *params, const MlParam *p, double value)
{
	void	   *field = (char *) params + p->offset;

	switch (p->type)
	{
		case ML_PARAM_REAL:
			*(double *) field = value;
			break;
		case ML_PARAM_INT:
			*(int64_t *) field = (int64_t) value;
			break;
		case ML_PARAM_BOOL:
			*(bool *) field = value != 0;
			break;
		case ML_PARAM_ENUM:
			*(int *) field = (int) value;
			break;
		case ML_PARAM_JSON:
		case ML_PARAM_COLUMN:
			break;
	}
}

static double
get_param(const void *params, const MlParam *p)
{
	const void *field = (const char *) params + p->offset;

	switch (p->type)
	{
		case ML_PARAM_REAL:
			return *(const double *) field;
		case ML_PARAM_INT:
			return (double) *(const int64_t *) field;
		case ML_PARAM_BOOL:
			return *(const bool *) field;
		case ML_PARAM_ENUM:
			return *(const int *) field;
		case ML_PARAM_JSON:
		case ML_PARAM_COLUMN:
			break;
	}
	return 0;
}

static bool
in_range(const MlParam *p, double value)
{
	/* a default that is no number says that the learner chooses */
	if (isnan(value))
		return isnan(p->default_value);
	return value >= p->min && value <= p->max && !(p->min_exclusive && value == p->min);
}

static void
raise_range(MlContext *ctx, const MlParam *p, const char *given)
{
	const char *low = p->min_exclusive ? "greater than" : "at least";

	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "parameter \"%s\" is out of range: %s", p->name, given),
				  p->max >= DBL_MAX ? ml_format(ctx, "It must be %s %g.", low, p->min) :
				  ml_format(ctx, "It must be %s %g and at most %.17g.", low, p->min, p->max), p->help);
}

static void
raise_type(MlContext *ctx, const MlParam *p, const char *given)
{
	static const char *const names[] = {"a number", "an integer", "true or false", "one of its choices", "JSON",
										"the name of a column"};

	ml_raise_full(ctx, ML_ERROR_WRONG_TYPE,
				  ml_format(ctx, "parameter \"%s\" must be %s, not %s", p->name, names[p->type], given),
				  NULL, p->help);
}

/* The index of a choice. */
static double
parse_choice(MlContext *ctx, const MlParam *p, json_object *value)
{
	size_t		n = 0;

	if (!json_object_is_type(value, json_type_string))
		raise_type(ctx, p, ml_json_text(ctx, value));
	for (; p->choices[n] != NULL; n++)
		if (strcmp(p->choices[n], json_object_get_string(value)) == 0)
			return (double) n;
	ml_raise_full(ctx, ML_ERROR_INVALID_PARAMETER,
				  ml_format(ctx, "parameter \"%s\" cannot be \"%s\"", p->name, json_object_get_string(value)), NULL,
				  ml_candidates_hint(ctx, p->name, json_object_get_string(value), p->choices, n));
}

static double
parse_param(MlContext *ctx, const MlParam *p, json_object *value)
{
	bool		is_int = json_object_is_type(value, json_type_int);
	bool		is_number = is_int || json_object_is_type(value, json_type_double);
	double		number = is_number ? json_object_get_double(value) : 0;

	switch (p->type)
	{
		case ML_PARAM_BOOL:
			if (!json_object_is_type(value, json_type_boolean))
				raise_type(ctx, p, ml_json_text(ctx, value));
			return json_object_get_boolean(value);
		case ML_PARAM_ENUM:
			return parse_choice(ctx, p, value);
		case ML_PARAM_INT:
			if (!is_number || number != floor(number))
				raise_type(ctx, p, ml_json_text(ctx, value));
			break;
		case ML_PARAM_REAL:
			if (value == NULL && isnan(p->default_value))
				return NAN;
			if (!is_number)
				raise_type(ctx, p, ml_json_text(ctx, value));
			break;
		case ML_PARAM_JSON:
		case ML_PARAM_COLUMN:
			return 0;
	}
	if (!in_range(p, number))
		raise_range(ctx, p, ml_format(ctx, "%g", number));
	return number;
}

/* A parameter that is a text; NULL for null. */
static const char *
parse_text(MlContext *ctx, const MlParam *p, json_object *value)
{
	if (value == NULL)
		return NULL;
	if (p->type == ML_PARAM_JSON)
		return ml_json_text(ctx, value);
	if (!json_object_is_type(value, json_type_string) || json_object_get_string_len(value) == 0)
		raise_type(ctx, p, ml_json_text(ctx, value));
	return ml_strdup(ctx, json_object_get_string(value));
}

void *
ml_params_parse(MlContext *ctx, const MlAlgorithm *algorithm, const char *json)
{
	void	   *params = ml_alloc_zero(ctx, algorithm->params_size);

	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		set_param(params, p, p->default_value);
	if (json != NULL)
	{
		json_object *object = ml_json_object(ctx, json, "params");

		json_object_object_foreach(object, key, value)
		{
			const MlParam *p = find_param(algorithm, key);

			if (p == NULL)
				raise_unknown_param(ctx, algorithm, key);
			if (is_text(p))
				set_text(params, p, parse_text(ctx, p, value));
			else
				set_param(params, p, parse_param(ctx, p, value));
		}
	}
	if (algorithm->check_params != NULL)
		algorithm->check_params(ctx, params);
	return params;
}

const char *
ml_params_column(const MlAlgorithm *algorithm, const void *params, MlColumnRole role, const MlParam **param)
{
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
		if (p->type == ML_PARAM_COLUMN && p->role == role)
		{
			if (param != NULL)
				*param = p;
			return get_text(params, p);
		}
	return NULL;
}

unsigned
ml_params_tasks(const MlAlgorithm *algorithm, const void *params)
{
	return algorithm->tasks_of != NULL ? algorithm->tasks_of(params) : algorithm->tasks;
}

/* Write a parameter that is a text. */
static void
write_text(MlWriter *w, const MlParam *p, const char *text)
{
	if (text == NULL)
		ml_write_null(w, p->name);
	else if (p->type == ML_PARAM_COLUMN)
		ml_write_string(w, p->name, text);
	else
	{
		json_object *value = json_tokener_parse(text);

		ml_json_write(w, p->name, value);
		json_object_put(value);
	}
}

void
ml_params_write(MlWriter *w, const MlAlgorithm *algorithm, const void *params)
{
	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
	{
		double		value = get_param(params, p);

		switch (p->type)
		{
			case ML_PARAM_REAL:
				ml_write_double(w, p->name, value);
				break;
			case ML_PARAM_INT:
				ml_write_int(w, p->name, *(const int64_t *) ((const char *) params + p->offset));
				break;
			case ML_PARAM_BOOL:
				ml_write_bool(w, p->name, value != 0);
				break;
			case ML_PARAM_ENUM:
				ml_write_string(w, p->name, p->choices[(int) value]);
				break;
			case ML_PARAM_JSON:
			case ML_PARAM_COLUMN:
				write_text(w, p, get_text(params, p));
				break;
		}
	}
}

/* One stored parameter as a number, its type checked. */
static double
read_param(MlContext *ctx, const MlParam *p, const MlNode *object)
{
	const char *name;

	switch (p->type)
	{
		case ML_PARAM_REAL:
			return ml_need_double(ctx, object, p->name);
		case ML_PARAM_INT:
			return (double) ml_need_int(ctx, object, p->name, INT64_MIN, INT64_MAX);
		case ML_PARAM_BOOL:
			return ml_need_bool(ctx, object, p->name);
		case ML_PARAM_ENUM:
			name = ml_need_string(ctx, object, p->name);
			for (int i = 0; p->choices[i] != NULL; i++)
				if (strcmp(p->choices[i], name) == 0)
					return i;
			break;
		case ML_PARAM_JSON:
		case ML_PARAM_COLUMN:
			break;
	}
	return NAN;
}

/* One stored parameter that is a text; NULL for null. */
static const char *
read_text(MlContext *ctx, const MlParam *p, const MlNode *object)
{
	const MlNode *node = ml_node_find(object, p->name);

	if (node == NULL)
		ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: parameter \"%s\" is missing", p->name);
	if (ml_node_type(node) == ML_NODE_NULL)
		return NULL;
	if (p->type == ML_PARAM_JSON)
		return ml_node_to_json(ctx, node, true);
	return ml_need_string(ctx, object, p->name);
}

void *
ml_params_read(MlContext *ctx, const MlAlgorithm *algorithm, const MlNode *object)
{
	void	   *params = ml_alloc_zero(ctx, algorithm->params_size);

	for (const MlParam *p = algorithm->params; p->name != NULL; p++)
	{
		double		value;

		if (is_text(p))
		{
			set_text(params, p, read_text(ctx, p, object));
			continue;
		}
		value = read_param(ctx, p, object);
		if (p->type != ML_PARAM_ENUM && p->type != ML_PARAM_BOOL ? !in_range(p, value) : !(value >= 0))
			ml_raise(ctx, ML_ERROR_CORRUPTED, "model is corrupted: parameter \"%s\" is out of range", p->name);
		set_param(params, p, value);
	}
	return params;
}
