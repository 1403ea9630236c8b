#include "cc/greeting.h"

int main() { return greeting("test") == "Hello, test!" ? 0 : 1; }
