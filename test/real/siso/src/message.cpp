#include "src/message.h"

const char* message() { return "Hello from siso"; }
