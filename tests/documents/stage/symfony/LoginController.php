<?php

namespace App\Controller;

use Symfony\Component\HttpFoundation\JsonResponse;
use Symfony\Component\Routing\Attribute\Route;

final class LoginController
{
    #[Route('/login', methods: ['POST'])]
    public function login(): JsonResponse
    {
        return new JsonResponse([]);
    }
}
