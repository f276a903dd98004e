/* readme.h - the text under rota:README, for whoever looks into the Redis of a deployment with redis-cli. */
#pragma once

const char *readme_text(void);
