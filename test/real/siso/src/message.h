#pragma once

const char* message();
