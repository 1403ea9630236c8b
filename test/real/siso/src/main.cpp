#include <cstdio>

#include "src/message.h"

int main() { std::puts(message()); }
