/* firmware.h - a bundle's model as the firmware of the AIoT reference implementation runs it.
 *
 * That firmware reads exactly MW_FIRMWARE_BYTES of a file and takes them for a .tflite file with
 * one input of its four peaks, raw, in its own order, and one output. So the machine's baseline and
 * the order are folded into the graph (fold.h), and zeros fill the file up: no FlatBuffer refers to
 * them. */
#ifndef MW_ARTIFACT_FIRMWARE_H
#define MW_ARTIFACT_FIRMWARE_H

#include "lib/artifact/bundle.h"

#define MW_FIRMWARE_BYTES 11148
#define MW_FIRMWARE_FEATURES 4 /* current, temperature, vibration, sound */
#define MW_FIRMWARE_NAME 32    /* bytes of a name, with its NUL */

/* Puts the file into an empty buffer and proves it: for each golden vector, as this machine would
 * measure it, it gives the very score that mw_runner_map and mw_runner_score give. What is there
 * after an error is no such file. baseline: of the machine, in the bundle's order; NULL: none.
 * Errors: UNSUPPORTED (other features), TOO_LARGE (more bytes than the firmware takes), DENIED
 * (another score), those of mw_runner_init and mw_fold_model. */
mw_err mw_firmware_model(struct mw_runner *runner, const struct mw_baseline *baseline,
                         struct mw_buffer *file, struct mw_error *error);

/* What such a file is called: 16 digits of its SHA-256, and "-model.tflite". */
void mw_firmware_name(const struct mw_buffer *file, char name[MW_FIRMWARE_NAME]);

#endif
