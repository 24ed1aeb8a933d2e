#include "lib/plant/plant.h"

#include "lib/base/file.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct mw_plant, field)
#define DAY (86400.0 * 1e6)

/* One row a key. Ranges of durations are in microseconds, of sizes in bytes. */
const struct mw_option mw_plant_options[] = {
    {"plant", MW_OPTION_NAME, NULL, 0, 0, "plant", NULL, "name of the site", AT(plant)},
    {"data", MW_OPTION_STRING, NULL, 0, 0, "data", NULL,
     "folder for everything that is kept; relative to this file", AT(data)},

    {"broker.url", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "MQTT broker, mqtt[s]://[user@]host[:port]; several with commas: the first that is there; "
     "empty: start mosquitto on a free port",
     AT(broker.url)},
    {"broker.username", MW_OPTION_STRING, NULL, 0, 0, "", NULL, "user name at the broker",
     AT(broker.username)},
    {"broker.password_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "file that holds the password, one line", AT(broker.password_file)},
    {"broker.version", MW_OPTION_ENUM, "auto|5|3.1.1", 0, 0, "auto", NULL,
     "MQTT to speak; auto: 5, or 3.1.1 with a broker that does not know 5", AT(broker.version)},
    {"broker.ca_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "mqtts: PEM file of the authorities that may have signed the broker's certificate; empty: the "
     "system's",
     AT(broker.ca_file)},
    {"broker.certificate_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "mqtts: PEM file of our certificate, for a broker that wants one",
     AT(broker.certificate_file)},
    {"broker.key_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "mqtts: PEM file of its private key; empty: in certificate_file", AT(broker.key_file)},

    {"bridge.shares", MW_OPTION_INT, NULL, 1, 64, "1", NULL,
     "bridges that divide the devices among themselves, each a process of its own",
     AT(bridge.shares)},

    {"score.shares", MW_OPTION_INT, NULL, 1, 64, "1", NULL,
     "kafka: shares into which scorers divide the stream, hosted by as many processes as there "
     "are; "
     "set once",
     AT(score.shares)},

    {"sparkplug.groups", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "Sparkplug B groups whose edge nodes are taken in; +: all; empty: none", AT(sparkplug.groups)},
    {"sparkplug.host", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "identifier of this plant as a Sparkplug host, published as STATE; empty: not",
     AT(sparkplug.host)},
    {"sparkplug.publish", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "GROUP/NODE: scores are published as this Sparkplug edge node; empty: not",
     AT(sparkplug.publish)},

    {"reference.enabled", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL,
     "take in firmware of the AIoT reference implementation, and give it models",
     AT(reference.enabled)},
    {"reference.data", MW_OPTION_STRING, NULL, 0, 0, "shaded-pole-motor-sensor_data", NULL,
     "topic of its records; a pattern, as in topics", AT(reference.data)},
    {"reference.control", MW_OPTION_STRING, NULL, 0, 0, "control-message", NULL,
     "topic of its control messages", AT(reference.control)},
    {"reference.devices", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "ids of its devices that may be active, beside those that were provisioned; +: all",
     AT(reference.devices)},
    {"reference.certificate_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "PEM file of the certificate with which serve answers it by HTTPS; empty: it does not",
     AT(reference.certificate_file)},
    {"reference.key_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "PEM file of its private key; empty: in certificate_file", AT(reference.key_file)},
    {"reference.listen", MW_OPTION_STRING, NULL, 0, 0, "0.0.0.0", NULL, "address to bind for that",
     AT(reference.listen)},
    {"reference.port", MW_OPTION_INT, NULL, 0, 65535, "8443", NULL,
     "port to bind for that; 0: a free one", AT(reference.port)},

    {"http.enabled", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL, "serve the page and the API",
     AT(http.enabled)},
    {"http.listen", MW_OPTION_STRING, NULL, 0, 0, "127.0.0.1", NULL, "address to bind",
     AT(http.listen)},
    {"http.port", MW_OPTION_INT, NULL, 0, 65535, "8080", NULL, "port to bind; 0: a free one",
     AT(http.port)},

    {"log.level", MW_OPTION_ENUM, "debug|info|warn|error", 0, 0, "info", NULL,
     "least important message that is written", AT(log.level)},
    {"log.format", MW_OPTION_ENUM, "text|json", 0, 0, "text", NULL, "form of the log",
     AT(log.format)},

    {"time.tolerance", MW_OPTION_DURATION, NULL, 0, 36500 * DAY, "1d", NULL,
     "a record's time further than this from its receipt is kept but not learned from; off: any",
     AT(time.tolerance)},

    {"artifacts.registry", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "registry that models go to and come from, oci://HOST[:PORT]/NAME, oci+http:// without TLS; "
     "empty: none, the data folder has them",
     AT(artifacts.registry)},
    {"artifacts.ca_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "PEM file of the authorities that may have signed the registry's certificate; empty: the "
     "system's",
     AT(artifacts.ca_file)},
    {"artifacts.username", MW_OPTION_STRING, NULL, 0, 0, "", NULL, "user name at the registry",
     AT(artifacts.username)},
    {"artifacts.password_file", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "file that holds the password, one line", AT(artifacts.password_file)},

    {"stream.url", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "stream of records, kafka://host:port[,host:port]; empty: sqlite in the data folder",
     AT(stream.url)},
    {"stream.retention_age", MW_OPTION_DURATION, NULL, 1e6, 36500 * DAY, "90d", NULL,
     "records older than this are removed; off: kept", AT(stream.retention_age)},
    {"stream.retention_size", MW_OPTION_SIZE, NULL, 1048576, 1e15, "8GiB", NULL,
     "largest file of a writer, or topic of Kafka; its oldest records are removed; off: any size",
     AT(stream.retention_size)},
    {"stream.create", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL,
     "kafka: make topics that are missing", AT(stream.create)},
    {"stream.partitions", MW_OPTION_INT, NULL, 1, 10000, "4", NULL,
     "kafka: partitions of a topic that is made", AT(stream.partitions)},
    {"stream.replication", MW_OPTION_INT, NULL, 0, 100, "0", NULL,
     "kafka: copies of a topic that is made; 0: the cluster's default", AT(stream.replication)},
    {"stream.spool", MW_OPTION_SIZE, NULL, 1048576, 1e15, "1GiB", NULL,
     "kafka: most that the bridge keeps on its disk while Kafka does not answer; off: nothing",
     AT(stream.spool)},
    {"stream.spool_lost", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "kafka: a spool that is gone for good, by the identity that the bridge names; another takes "
     "its place, and what it had acknowledged and Kafka lacks is lost",
     AT(stream.spool_lost)},
    {"stream.config", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "kafka: file with options of librdkafka, for TLS and passwords; one name=value a line",
     AT(stream.config)},

    {"model.kind", MW_OPTION_ENUM, "logistic|mlp|autoencoder", 0, 0, "logistic", NULL,
     "model to train; autoencoder needs no labels", AT(model.kind)},
    {"model.scope", MW_OPTION_ENUM, "plant|machine", 0, 0, "plant", NULL,
     "one model for the plant, or one a machine", AT(model.scope)},
    {"model.features", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "features the model reads; empty: all", AT(model.features)},
    {"model.hidden", MW_OPTION_INTS, NULL, 1, 1024, "50, 40", NULL,
     "units of each hidden layer of mlp and autoencoder", AT(model.hidden)},
    {"model.horizon", MW_OPTION_DURATION, NULL, 0, 3650 * DAY, "1h", NULL,
     "a record is positive when a failure follows within this", AT(model.horizon)},
    {"model.seed", MW_OPTION_INT, NULL, 0, 9e15, "1", NULL, "same seed and data, same model",
     AT(model.seed)},
    {"model.validation_share", MW_OPTION_FLOAT, NULL, 0.05, 0.9, "0.3", NULL,
     "share of the data held out to judge a candidate", AT(model.validation_share)},
    {"model.int8_auc_loss", MW_OPTION_FLOAT, NULL, 0, 0.5, "0.005", NULL,
     "most ROC AUC that int8 may lose against float32", AT(model.int8_auc_loss)},
    {"model.quantile", MW_OPTION_FLOAT, NULL, 0.5, 1, "0.995", NULL,
     "autoencoder: share of healthy records that score below 0.5", AT(model.quantile)},

    {"commission.records", MW_OPTION_INT, NULL, 0, 1e6, "200", NULL,
     "healthy records that set a machine's baseline; 0: no baselines", AT(commission.records)},
    {"commission.stable", MW_OPTION_FLOAT, NULL, 0, 10, "0", NULL,
     "a baseline is done earlier when its halves differ by less than this many deviations; 0: "
     "never",
     AT(commission.stable)},
    {"commission.from", MW_OPTION_INT, NULL, -1, 1e15, "-1", NULL,
     "first record number of a device that commissioning may use; -1: the first",
     AT(commission.from)},

    {"level2.enabled", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL,
     "things run the model and hold back normal records", AT(level2.enabled)},
    {"level2.share", MW_OPTION_FLOAT, NULL, 0.001, 1, "0.05", NULL,
     "share of the normal records that is forwarded all the same", AT(level2.share)},
    {"level2.sketch_records", MW_OPTION_INT, NULL, 1, 1e6, "100", NULL,
     "held-back records that a sketch message counts", AT(level2.sketch_records)},

    {"gate.feature", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "level 1: feature that shows that the machine runs; empty: the thing's own choice",
     AT(gate.feature)},
    {"gate.minimum", MW_OPTION_FLOAT, NULL, 0, 0, "0", NULL, "windows below this make no record",
     AT(gate.minimum)},

    {"action.immediate", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "command sent at band immediate, e.g. stop; empty: none", AT(action.immediate)},
    {"action.impending", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "command sent at band impending; empty: none", AT(action.impending)},
    {"action.expires", MW_OPTION_DURATION, NULL, 1e3, 365 * DAY, "10m", NULL,
     "a command not carried out by then is void", AT(action.expires)},
    {"action.quiet", MW_OPTION_DURATION, NULL, 0, 3650 * DAY, "1h", NULL,
     "a machine in which an inspection found no fault is not commanded for this long",
     AT(action.quiet)},
    {"action.confirm", MW_OPTION_INT, NULL, 1, 1000, "2", NULL,
     "scores in a row that must agree before a command goes out", AT(action.confirm)},

    {"watch.window", MW_OPTION_INT, NULL, 20, 1e6, "200", NULL,
     "newest records of a machine that are compared with the reference", AT(watch.window)},
    {"watch.minimum", MW_OPTION_INT, NULL, 20, 1e6, "100", NULL,
     "records below which nothing is concluded", AT(watch.minimum)},
    {"watch.psi", MW_OPTION_FLOAT, NULL, 0.01, 10, "0.25", NULL,
     "population stability index from which a feature has moved", AT(watch.psi)},
    {"watch.alpha", MW_OPTION_FLOAT, NULL, 1e-12, 0.5, "0.001", NULL,
     "chance of a false alarm over all tests of a comparison", AT(watch.alpha)},
    {"watch.cooldown", MW_OPTION_INT, NULL, 0, 1e9, "400", NULL,
     "records of a machine after an alarm before the next", AT(watch.cooldown)},

    {"retrain.where", MW_OPTION_ENUM, "process|pipeline", 0, 0, "process", NULL,
     "process: the learner runs the pipeline itself; pipeline: it asks the operator of a cluster "
     "for a run in pods",
     AT(retrain.where)},
    {"retrain.on_drift", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL,
     "retrain after a drift alarm; an autoencoder once an inspection without fault or a repair is "
     "in",
     AT(retrain.on_drift)},
    {"retrain.minimum_records", MW_OPTION_INT, NULL, 1, 1e9, "500", NULL,
     "labelled records that a first model needs", AT(retrain.minimum_records)},
    {"retrain.minimum_positives", MW_OPTION_INT, NULL, 1, 1e9, "50", NULL,
     "positive ones among them", AT(retrain.minimum_positives)},
    {"retrain.fresh_records", MW_OPTION_INT, NULL, 1, 1e9, "300", NULL,
     "labelled (autoencoder: healthy) records since the drift began that a retraining needs",
     AT(retrain.fresh_records)},
    {"retrain.fresh_positives", MW_OPTION_INT, NULL, 0, 1e9, "30", NULL, "positive ones among them",
     AT(retrain.fresh_positives)},
    {"retrain.every", MW_OPTION_INT, NULL, 0, 1e12, "0", NULL,
     "also retrain after this many labelled records; 0: never", AT(retrain.every)},
    {"retrain.minimum_gain", MW_OPTION_FLOAT, NULL, -1, 1, "0.0", NULL,
     "ROC AUC on the newest data by which a candidate must beat the model in use",
     AT(retrain.minimum_gain)},
    {"retrain.attempts_gap", MW_OPTION_INT, NULL, 1, 1e9, "200", NULL,
     "labelled records between a refused candidate and the next attempt", AT(retrain.attempts_gap)},

    {"rollout.canary", MW_OPTION_INT, NULL, 0, 1e6, "1", NULL,
     "things that get a model first; 0: no trial", AT(rollout.canary)},
    {"rollout.records", MW_OPTION_INT, NULL, 0, 1e9, "20", NULL,
     "scores of the first things before the others follow", AT(rollout.records)},
    {"rollout.alarm_ratio", MW_OPTION_FLOAT, NULL, 1, 1e6, "5", NULL,
     "alarm rate of the first things, over that under the model before and over what the new model "
     "foresees, from which it is rolled back",
     AT(rollout.alarm_ratio)},
    {"rollout.timeout", MW_OPTION_DURATION, NULL, 1e5, 30 * DAY, "10m", NULL,
     "a thing that has not reported the new model by then counts as failed", AT(rollout.timeout)},

    {"simulate.machines", MW_OPTION_INT, NULL, 0, 10000, "0", NULL,
     "simulated motors, a thing each; 0: none", AT(simulate.machines)},
    {"simulate.seed", MW_OPTION_INT, NULL, 0, 9e15, "1", NULL, "seed of the simulated world",
     AT(simulate.seed)},
    {"simulate.interval", MW_OPTION_DURATION, NULL, 1e6, 1 * DAY, "1m", NULL,
     "simulated time between two records of a machine", AT(simulate.interval)},
    {"simulate.speed", MW_OPTION_FLOAT, NULL, 0, 1e9, "1", NULL,
     "simulated over real time; 0: as fast as acknowledged", AT(simulate.speed)},
    {"simulate.until", MW_OPTION_DURATION, NULL, 0, 3650 * DAY, "0s", NULL,
     "simulated time that passes as fast as acknowledged before speed holds", AT(simulate.until)},
    {"simulate.fault_every", MW_OPTION_DURATION, NULL, 60e6, 3650 * DAY, "24h", NULL,
     "mean simulated time from a repair to the machine's next fault; off: no faults",
     AT(simulate.fault_every)},
    {"simulate.growth", MW_OPTION_DURATION, NULL, 60e6, 365 * DAY, "4h", NULL,
     "mean simulated time from a fault's start to the breakdown", AT(simulate.growth)},
    {"simulate.script", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "file of changes of the world, one a line (docs/protocol.md); empty: none",
     AT(simulate.script)},
    {"simulate.twins", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL,
     "write what a stopped machine's twin would have sent to data/things/twins.jsonl",
     AT(simulate.twins)},
    {"simulate.outbox", MW_OPTION_SIZE, NULL, 4096, 1e15, "64MiB", NULL,
     "bytes that wait for the bridge at most", AT(simulate.outbox)},

    {"gateway.devices", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "files that describe Modbus and IIO devices, one each (docs/gateway.md); empty: none",
     AT(gateway.devices)},
    {"gateway.outbox", MW_OPTION_SIZE, NULL, 4096, 1e15, "64MiB", NULL,
     "bytes of their records that wait for the bridge at most", AT(gateway.outbox)},

    {"columns.device", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "column that names the device; empty: the file's name", AT(columns.device)},
    {"columns.prefix", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "put before a device's name, e.g. engine-", AT(columns.prefix)},
    {"columns.machine", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "column that names the machine; empty: the device", AT(columns.machine)},
    {"columns.time", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "column of the time; empty: the row number", AT(columns.time)},
    {"columns.time_unit", MW_OPTION_ENUM, "seconds|minutes|hours|days|cycles", 0, 0, "seconds",
     NULL, "unit of a numeric time; a cycle counts as a minute", AT(columns.time_unit)},
    {"columns.start", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "date that numeric times count from; empty: 1970-01-01", AT(columns.start)},
    {"columns.features", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "columns that are features; empty: every other column", AT(columns.features)},
    {"columns.names", MW_OPTION_LIST, NULL, 0, 0, NULL, NULL,
     "what the features are called; empty: as their columns", AT(columns.names)},
    {"columns.label", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "column with the truth 0 or 1; used by reports only, never for training", AT(columns.label)},
    {"columns.failure", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "\"end\": a device's last row is its failure; else a column where 1 marks a failure",
     AT(columns.failure)},
    {"columns.finding", MW_OPTION_STRING, NULL, 0, 0, "", NULL,
     "column whose 0 or 1 becomes an inspection with that finding", AT(columns.finding)},
    {"columns.delimiter", MW_OPTION_ENUM, "auto|comma|semicolon|tab|space", 0, 0, "auto", NULL,
     "what separates fields", AT(columns.delimiter)},
    {"columns.decimal", MW_OPTION_ENUM, "point|comma", 0, 0, "point", NULL, "decimal sign",
     AT(columns.decimal)},
    {"columns.header", MW_OPTION_BOOL, NULL, 0, 0, "true", NULL,
     "the first line names the columns; else they are named 1, 2, 3", AT(columns.header)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

/* Puts the folder before *path unless that is absolute or empty. */
static mw_err resolve(char **path, const char *folder)
{
    if (*path == NULL || **path == '\0' || **path == '/') {
        return MW_OK;
    }
    char *joined = NULL;
    if (asprintf(&joined, "%s/%s", folder, *path) < 0) {
        return MW_ERR_MEMORY;
    }
    free(*path);
    *path = joined;
    return MW_OK;
}

static mw_err resolve_all(struct mw_plant *plant, const char *path, struct mw_error *error)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    char *folder =
        slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (folder == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    char **const paths[] = {&plant->data,
                            &plant->broker.password_file,
                            &plant->broker.ca_file,
                            &plant->broker.certificate_file,
                            &plant->broker.key_file,
                            &plant->artifacts.ca_file,
                            &plant->artifacts.password_file,
                            &plant->reference.certificate_file,
                            &plant->reference.key_file,
                            &plant->simulate.script};
    mw_err err = MW_OK;
    for (size_t i = 0; i < sizeof paths / sizeof *paths && err == MW_OK; i++) {
        err = resolve(paths[i], folder);
    }
    if (err == MW_OK) {
        err = resolve(&plant->stream.config, folder);
    }
    for (size_t i = 0; i < plant->gateway.devices.n && err == MW_OK; i++) {
        err = resolve(&plant->gateway.devices.item[i], folder);
    }
    free(folder);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "out of memory");
}

/* Keys below these are the user's own names. */
static const char *const free_prefixes[] = {"topics", "commands", NULL};

static mw_err take_free(void *context, const char *key, const char *text, unsigned line,
                        struct mw_error *error)
{
    (void)line;
    struct mw_plant *plant = context;
    return strncmp(key, "topics.", strlen("topics.")) == 0
               ? mw_topic_maps_add(&plant->topics, key + strlen("topics."), text, error)
               : mw_command_maps_add(&plant->commands, key + strlen("commands."), text, error);
}

/* An identifier of Sparkplug is one level of a topic. */
static bool is_level(const char *text, size_t size)
{
    return size > 0 && memchr(text, '/', size) == NULL && memchr(text, '+', size) == NULL &&
           memchr(text, '#', size) == NULL;
}

static mw_err check_sparkplug(const struct mw_plant *plant, const char *path,
                              struct mw_error *error)
{
    const struct mw_list *groups = &plant->sparkplug.groups;
    for (size_t i = 0; i < groups->n; i++) {
        const char *group = groups->item[i];
        if (strcmp(group, "+") == 0 ? groups->n > 1 : !is_level(group, strlen(group))) {
            return mw_error_set(error, MW_ERR_PARSE,
                                "%s: sparkplug.groups: %s: identifiers without /, + and #, or + "
                                "alone, were expected",
                                path, group);
        }
    }
    const char *host = plant->sparkplug.host, *publish = plant->sparkplug.publish;
    if (host[0] != '\0' && !is_level(host, strlen(host))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: sparkplug.host: %s: an identifier without /, + and # was expected",
                            path, host);
    }
    size_t group = strcspn(publish, "/");
    if (publish[0] != '\0' && (publish[group] == '\0' || !is_level(publish, group) ||
                               !is_level(publish + group + 1, strlen(publish + group + 1)))) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: sparkplug.publish: %s: GROUP/NODE was expected", path, publish);
    }
    return MW_OK;
}

/* A topic by itself, and none that is Millwright's, Sparkplug's or of a map. */
static const char *fault_of_control(const struct mw_plant *plant)
{
    const char *control = plant->reference.control;
    struct mw_topic_match match;
    if (!is_level(control, strcspn(control, "/")) || strpbrk(control, "+#") != NULL ||
        strncmp(control, "mw/", 3) == 0 || strncmp(control, "spBv1.0/", 8) == 0 ||
        strlen(control) > MW_TOPIC_PATTERN_MAX) {
        return "a topic of its own, without + and #, was expected";
    }
    for (size_t i = 0; i < plant->topics.n; i++) {
        if (mw_topic_map_match(&plant->topics.map[i], mw_span_of(control), &match)) {
            return "a map of topics takes it already";
        }
    }
    return NULL;
}

static mw_err check_reference(const struct mw_plant *plant, const char *path,
                              struct mw_error *error)
{
    const char *fault = plant->reference.enabled ? fault_of_control(plant) : NULL;
    if (fault != NULL) {
        return mw_error_set(error, MW_ERR_PARSE, "%s: reference.control: %s: %s", path,
                            plant->reference.control, fault);
    }
    if (plant->reference.enabled && plant->model.scope == MW_SCOPE_MACHINE) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: reference.enabled with model.scope machine: its control topic "
                            "reaches all devices at once, so model.scope plant was expected",
                            path);
    }
    return MW_OK;
}

/* Its records are a map of topics like any other. */
static mw_err map_reference(struct mw_plant *plant, const char *path, struct mw_error *error)
{
    struct mw_error why = {0};
    if (!plant->reference.enabled) {
        return MW_OK;
    }
    mw_err err = mw_topic_maps_add(&plant->topics, MW_PLANT_REFERENCE, plant->reference.data, &why);
    return err == MW_OK ? MW_OK
                        : mw_error_set(error, err, "%s: reference.data: %s", path, why.text);
}

/* What no single row of the table can say. */
/* A column is one feature, or it says what the row is of. */
static mw_err check_columns(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    const struct mw_list *features = &plant->columns.features;
    const struct {
        const char *key, *column;
    } other[] = {{"device", plant->columns.device},
                 {"machine", plant->columns.machine},
                 {"label", plant->columns.label},
                 {"failure", plant->columns.failure},
                 {"finding", plant->columns.finding}};
    if (plant->columns.names.n != 0 && plant->columns.names.n != features->n) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: columns.names has %zu entries, columns.features %zu: "
                            "one name a feature was expected",
                            path, plant->columns.names.n, features->n);
    }
    for (size_t i = 0; i < features->n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(features->item[i], features->item[k]) == 0) {
                return mw_error_set(error, MW_ERR_PARSE,
                                    "%s: columns.features names %s twice: each column once was "
                                    "expected",
                                    path, features->item[i]);
            }
        }
        for (size_t k = 0; k < sizeof other / sizeof *other; k++) {
            if (other[k].column != NULL && other[k].column[0] != '\0' &&
                strcmp(features->item[i], other[k].column) == 0) {
                return mw_error_set(error, MW_ERR_PARSE,
                                    "%s: columns.features names %s, which is columns.%s", path,
                                    other[k].column, other[k].key);
            }
        }
    }
    return MW_OK;
}

static mw_err check_stream(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    const char *url = plant->stream.url;
    if (plant->score.shares > 1 && (url == NULL || strncmp(url, "kafka:", 6) != 0)) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: score.shares is %lld, so a stream.url of kafka://host:port was "
                            "expected: SQLite has one scorer",
                            path, (long long)plant->score.shares);
    }
    if (url == NULL || url[0] == '\0' || strncmp(url, "sqlite:", 7) == 0 ||
        strncmp(url, "kafka:", 6) == 0) {
        return MW_OK;
    }
    return mw_error_set(error, MW_ERR_PARSE,
                        "%s: stream.url: %.100s begins neither with kafka: nor with sqlite:", path,
                        url);
}

static mw_err check(const struct mw_plant *plant, const char *path, struct mw_error *error)
{
    if (plant->gateway.devices.n > 0 && plant->simulate.machines > 0) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: gateway.devices and simulate.machines are both set: one was "
                            "expected, a simulated plant has a clock of its own",
                            path);
    }
    if (plant->watch.minimum > plant->watch.window) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "%s: watch.minimum (%lld) is more than watch.window (%lld), "
                            "so no comparison could ever be made",
                            path, (long long)plant->watch.minimum, (long long)plant->watch.window);
    }
    mw_err err = check_columns(plant, path, error);
    err = err == MW_OK ? check_stream(plant, path, error) : err;
    if (err != MW_OK) {
        return err;
    }
    struct mw_error why = {0};
    err = mw_command_maps_check(&plant->commands, &plant->topics, &why);
    if (err != MW_OK) {
        return mw_error_set(error, err, "%s: %s", path, why.text);
    }
    err = check_reference(plant, path, error);
    return err == MW_OK ? check_sparkplug(plant, path, error) : err;
}

mw_err mw_plant_read(struct mw_plant *plant, const char *path, struct mw_error *error)
{
    *plant = (struct mw_plant){0};
    mw_err err = path == NULL ? mw_options_defaults(mw_plant_options, plant, error)
                              : mw_options_read_yaml(mw_plant_options, plant, path, free_prefixes,
                                                     take_free, plant, error);
    if (err == MW_OK && path != NULL) {
        plant->file = realpath(path, NULL);
        err = plant->file == NULL ? mw_error_errno(error, MW_ERR_IO, "%s", path) : MW_OK;
    }
    if (err == MW_OK) {
        err = resolve_all(plant, path, error);
    }
    if (err == MW_OK) {
        err = map_reference(plant, path == NULL ? "plant" : path, error);
    }
    if (err == MW_OK) {
        err = check(plant, path == NULL ? "plant" : path, error);
    }
    if (err != MW_OK) {
        mw_plant_clear(plant);
    }
    return err;
}

mw_err mw_plant_parse(struct mw_plant *plant, const char *text, size_t size, const char *path,
                      struct mw_error *error)
{
    *plant = (struct mw_plant){0};
    mw_err err = mw_options_parse_yaml(mw_plant_options, plant, text, size, path, free_prefixes,
                                       take_free, plant, error);
    if (err == MW_OK) {
        err = resolve_all(plant, path, error);
    }
    if (err == MW_OK) {
        err = map_reference(plant, path, error);
    }
    if (err == MW_OK) {
        err = check(plant, path, error);
    }
    if (err != MW_OK) {
        mw_plant_clear(plant);
    }
    return err;
}

void mw_plant_clear(struct mw_plant *plant)
{
    free(plant->file);
    plant->file = NULL;
    mw_topic_maps_clear(&plant->topics);
    mw_command_maps_clear(&plant->commands);
    mw_options_clear(mw_plant_options, plant);
}

mw_err mw_plant_path(const struct mw_plant *plant, const char *folder, const char *name, char *path,
                     size_t capacity, struct mw_error *error)
{
    int n = snprintf(path, capacity, "%s/%s", plant->data, folder);
    if (n < 0 || (size_t)n >= capacity) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s/%s: path too long", plant->data, folder);
    }
    mw_err err = mw_file_make_folder(path, error);
    if (err != MW_OK || name == NULL) {
        return err;
    }
    size_t at = (size_t)n;
    n = snprintf(path + at, capacity - at, "/%s", name);
    if (n < 0 || (size_t)n >= capacity - at) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s/%s: path too long", plant->data, folder);
    }
    return MW_OK;
}

static void add_text(char *uri, size_t capacity, size_t *size, const char *text, size_t length)
{
    if (*size + length < capacity) {
        memcpy(uri + *size, text, length);
        uri[*size + length] = '\0';
    }
    *size += length;
}

/* A path as the value of a query: what means something in a URI as %XX. */
static void add_escaped(char *uri, size_t capacity, size_t *size, const char *text)
{
    char escaped[4];
    for (; *text != '\0'; text++) {
        bool plain = strchr("%&?#+=", *text) == NULL && *text > ' ' && *text < 127;
        (void)snprintf(escaped, sizeof escaped, "%%%02X", (unsigned)(unsigned char)*text);
        add_text(uri, capacity, size, plain ? text : escaped, plain ? 1 : 3);
    }
}

static mw_err kafka_uri(const struct mw_plant *plant, char *uri, size_t capacity)
{
    const char *url = plant->stream.url;
    const char *config = plant->stream.config;
    char keys[256];
    size_t hosts = strcspn(url, "?");
    size_t size = 0;
    int64_t age = plant->stream.retention_age;
    int n = snprintf(keys, sizeof keys,
                     "?create=%s&partitions=%lld&replication=%lld&retention_age=%lld"
                     "&retention_size=%lld",
                     plant->stream.create ? "true" : "false", (long long)plant->stream.partitions,
                     (long long)plant->stream.replication, (long long)(age < 0 ? -1 : age / 1000),
                     (long long)plant->stream.retention_size);
    add_text(uri, capacity, &size, url, hosts);
    add_text(uri, capacity, &size, keys, (size_t)n);
    if (config != NULL && config[0] != '\0') {
        add_text(uri, capacity, &size, "&config=", 8);
        add_escaped(uri, capacity, &size, config);
    }
    if (url[hosts] == '?') {
        add_text(uri, capacity, &size, "&", 1);
        add_text(uri, capacity, &size, url + hosts + 1, strlen(url + hosts + 1));
    }
    return size < capacity ? MW_OK : MW_ERR_TOO_LARGE;
}

mw_err mw_plant_stream_uri(const struct mw_plant *plant, char *uri, size_t capacity)
{
    const char *url = plant->stream.url;
    if (url != NULL && strncmp(url, "kafka:", 6) == 0) {
        return kafka_uri(plant, uri, capacity);
    }
    int n = url == NULL || url[0] == '\0' ? snprintf(uri, capacity, "sqlite:%s/stream", plant->data)
                                          : snprintf(uri, capacity, "%s", url);
    return n < 0 || (size_t)n >= capacity ? MW_ERR_TOO_LARGE : MW_OK;
}
