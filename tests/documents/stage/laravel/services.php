<?php

return [
    // The page's block.
];
