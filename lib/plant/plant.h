/* plant.h - what plant.yaml says: one struct, one option table (plant.c), read by every role.
 *
 * Keys are the field names, nested as the structs are: broker.url, model.horizon. Every value is
 * owned by the struct. Durations are microseconds, sizes bytes; -1 stands for "off". */
#ifndef MW_PLANT_PLANT_H
#define MW_PLANT_PLANT_H

#include "lib/base/options.h"
#include "lib/plant/command_map.h"
#include "lib/plant/topic_map.h"

enum mw_model_kind { MW_MODEL_LOGISTIC, MW_MODEL_MLP, MW_MODEL_AUTOENCODER };
/* Who runs the pipeline: the learner, as a child; or the operator of a cluster, as pods. */
enum mw_retrain_where { MW_RETRAIN_PROCESS, MW_RETRAIN_PIPELINE };
enum mw_model_scope { MW_SCOPE_PLANT, MW_SCOPE_MACHINE };
enum mw_time_unit { MW_UNIT_SECONDS, MW_UNIT_MINUTES, MW_UNIT_HOURS, MW_UNIT_DAYS, MW_UNIT_CYCLES };

/* Numbered as enum mw_mqtt_speak (lib/mqtt/client.h). */
enum mw_broker_version { MW_BROKER_AUTO, MW_BROKER_5, MW_BROKER_3_1_1 };

struct mw_plant {
    char *file;  /* where this was read from; NULL for the defaults */
    char *plant; /* the site's name */
    char *data;  /* folder; relative to plant.yaml's own folder */

    struct {
        char *url; /* empty: start mosquitto on a free port */
        char *username, *password_file;
        int version;                                 /* of MQTT: enum mw_broker_version */
        char *ca_file, *certificate_file, *key_file; /* for mqtts://, PEM; empty: none */
    } broker;

    struct {
        int64_t shares; /* bridges that divide the devices among themselves (share.h) */
        int64_t share;  /* which of them this process is; no key: an argument of the role */
    } bridge;

    struct {
        int64_t shares; /* into which scorers divide a stream on Kafka */
    } score;

    struct mw_topic_maps topics; /* other layouts that the bridge takes in, by the user's names */
    struct mw_command_maps commands; /* how their devices are told what to do */

    struct {
        struct mw_list groups; /* whose edge nodes the bridge takes in; "+": all; empty: none */
        char *host;            /* published as STATE; empty: not */
        char *publish;         /* GROUP/NODE: scores are published as this edge node; empty: not */
    } sparkplug;

    struct {
        bool enabled;           /* firmware of the AIoT reference implementation is taken in */
        char *data, *control;   /* its topics; data is in `topics`, too, as MW_PLANT_REFERENCE */
        struct mw_list devices; /* that may be active, by their ids; "+": all */
        char *listen;           /* where it activates itself and fetches its model, by HTTPS */
        int64_t port;           /* 0: a free one, written to data/run/reference */
        char *certificate_file, *key_file; /* PEM; empty: nothing is served to it; in the other */
    } reference;

    struct {
        bool enabled;
        char *listen;
        int64_t port; /* 0: a free one, written to data/run/http */
    } http;

    struct {
        int level;  /* enum mw_log_level */
        int format; /* enum mw_log_format */
    } log;

    struct {
        int64_t tolerance; /* of a record's time against its receipt; -1: any time is believed */
    } time;

    struct {
        char *registry;                 /* oci://HOST/NAME (lib/registry); empty: none */
        char *ca_file;                  /* PEM; empty: the system's authorities */
        char *username, *password_file; /* empty: nobody */
    } artifacts;

    struct {
        char *url;              /* empty: sqlite:<data>/stream */
        int64_t retention_age;  /* by time of append; -1: for ever */
        int64_t retention_size; /* bytes a writer's file; Kafka: a topic */
        bool create;            /* Kafka: make topics that are missing, as the next two say */
        int64_t partitions, replication; /* replication 0: the cluster's own default */
        int64_t spool; /* Kafka: bytes that the bridge may spool while it is away; -1: no spool */
        char *spool_lost; /* Kafka: identity of a spool that is to be given up; empty: none */
        char *config;     /* Kafka: file of librdkafka options; empty: none */
    } stream;

    struct {
        int kind;                /* enum mw_model_kind */
        int scope;               /* enum mw_model_scope */
        struct mw_list features; /* names, in the model's order; empty: all that the data has */
        struct mw_ints hidden;   /* layers of the perceptron, or of the autoencoder */
        int64_t horizon;         /* how long before a failure a record counts as positive */
        int64_t seed;
        double validation_share; /* of machines and time held out, (0,0.9) */
        double int8_auc_loss;    /* the most that int8 may lose against float32 */
        double quantile;         /* autoencoder: of healthy errors that maps to a score of 0.5 */
    } model;

    struct {
        int64_t records; /* healthy records that set a machine's baseline; 0: no baselines */
        double stable;   /* end earlier when the mean of the second half lies within this many
                          * deviations of   the first half's, at 50, 100, 200 ... records; 0: never */
        int64_t
            from; /* first row number of a recording that commissioning may use; -1: the first */
    } commission;

    struct {
        bool enabled; /* level 2: things run the model and hold back normal records */
        double share; /* of the records held back that are forwarded all the same, with p */
        int64_t sketch_records; /* suppressed records a sketch message */
    } level2;

    struct {
        char *feature;  /* level 1 gate; empty: the thing's own choice */
        double minimum; /* windows below make none: the machine stands still */
    } gate;

    struct {
        char *immediate; /* action sent at band immediate: "stop"; empty: none */
        char *impending; /* at band impending; empty: none */
        int64_t expires; /* a command is worthless after this, in the plant's time */
        int64_t quiet;   /* after a finding of no fault no command for this long; plant's time */
        int64_t confirm; /* scores in a row that must agree before a command goes out */
    } action;

    struct {
        int64_t window;   /* newest records a comparison takes, per machine */
        int64_t minimum;  /* fewer records than this are no evidence */
        double psi;       /* population stability index from which a feature has moved */
        double alpha;     /* family-wise error rate of the two-sample tests */
        int64_t cooldown; /* records a machine after an alarm before the next one */
    } watch;

    struct {
        int where;                 /* enum mw_retrain_where */
        bool on_drift;             /* retrain after a drift alarm */
        int64_t minimum_records;   /* labelled records that a first model needs */
        int64_t minimum_positives; /* positive ones among them */
        int64_t
            fresh_records; /* labelled records since the drift's onset that a retraining needs */
        int64_t fresh_positives;
        int64_t every;        /* also retrain after this many records without drift; 0: never */
        double minimum_gain;  /* AUC by which a candidate must beat the model in use */
        int64_t attempts_gap; /* records before another attempt after a refused candidate */
    } retrain;

    struct {
        int64_t canary;     /* things that go first */
        int64_t records;    /* records that they must score before the rest follows */
        double alarm_ratio; /* canary alarm rate over the others' from which it is rolled back */
        int64_t timeout;    /* for a thing to report the new bundle, real time */
    } rollout;

    struct {
        int64_t machines; /* simulated motors, one thing each; 0: none */
        int64_t seed;
        int64_t interval;    /* simulated time between records of a machine */
        double speed;        /* simulated time over real time; 0: as fast as acknowledged */
        int64_t until;       /* simulated time after which speed is `speed`; before it as fast as
                                acknowledged */
        int64_t fault_every; /* mean simulated time from a machine's repair to its next fault */
        int64_t growth;      /* mean simulated time from a fault's start to breakdown */
        char *script;        /* file with changes of the world (world_script.h); empty: none */
        bool twins;     /* write the records of stopped machines' twins to things/twins.jsonl */
        int64_t outbox; /* bytes an outbox may hold before the oldest sketches merge */
    } simulate;

    struct {
        struct mw_list devices; /* files, one a device (tiers/iot/gateway_file.h); empty: none */
        int64_t outbox;         /* bytes an outbox may hold */
    } gateway;

    struct {
        char *device;            /* column; empty: the file's name */
        char *prefix;            /* put before the device's name */
        char *machine;           /* column; empty: the device */
        char *time;              /* column; empty: the row number */
        int time_unit;           /* enum mw_time_unit, for numeric times */
        char *start;             /* ISO date that numeric times count from; empty: 1970-01-01 */
        struct mw_list features; /* columns; empty: every other column that is a number */
        struct mw_list
            names;   /* what the features are called, same length; empty: the columns' own */
        char *label; /* column with 0/1 for reports only, never for training; empty: none */
        char
            *failure; /* "end": the last row of each device is its failure; a column: 1 marks one */
        char *finding; /* column whose 0/1 becomes an inspection event with a finding each row */
        int delimiter; /* auto|comma|semicolon|tab|space */
        int decimal;   /* point|comma */
        bool header;
    } columns;
};

/* The name of the map of reference.data. */
#define MW_PLANT_REFERENCE "reference"

/* The table of all keys; ends with a NULL key. */
extern const struct mw_option mw_plant_options[];

/* Reads the file, sets defaults, resolves relative paths against its folder and checks what no
 * single row can say. `path` NULL gives the defaults. Errors carry FILE:LINE. Free with
 * mw_plant_clear. */
mw_err mw_plant_read(struct mw_plant *plant, const char *path, struct mw_error *error);
/* The same from memory; `path` is only for messages and for the folder of relative paths. */
mw_err mw_plant_parse(struct mw_plant *plant, const char *text, size_t size, const char *path,
                      struct mw_error *error);
void mw_plant_clear(struct mw_plant *plant);

/* data/<folder>/<name> into path; folders are stream, artifacts, keys, things, run. Made when
 * missing. */
mw_err mw_plant_path(const struct mw_plant *plant, const char *folder, const char *name, char *path,
                     size_t capacity, struct mw_error *error);

bool mw_plant_in_kafka(const struct mw_plant *plant); /* where stream.url says so */
/* The stream's URI: stream.url or sqlite:<data>/stream. For Kafka it holds the other keys of
 * `stream` as well; what stream.url says itself has precedence. */
mw_err mw_plant_stream_uri(const struct mw_plant *plant, char *uri, size_t capacity);

#endif
